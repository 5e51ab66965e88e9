"""The audio worker: its features, what it does with bad files, and that a resumed run neither loses nor repeats."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from examples.audio.worker import (
    BANDS,
    FILTERS,
    HOP,
    N_FFT,
    RATE_HZ,
    WINDOW,
    Arrivals,
    Folder,
    Generated,
    Run,
    log_mel,
    main,
)
from scipy.io import wavfile

from scrimp.api import Control, RunState
from scrimp.worker import FolderChannel

SCRIPT = Path(__file__).resolve().parents[2] / "examples/audio/worker.py"
JOB = "audio/audio-0"
WAIT_S = 30.0


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "SCRIMP_WORKER_DIR": str(root / "workers"), "SCRIMP_JOB": JOB}
    command = [sys.executable, str(SCRIPT), "--output", str(root / "out"), *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def names(root: Path) -> list[str]:
    lines = (root / "out/audio-0.jsonl").read_text().splitlines()
    return [json.loads(line)["clip"] for line in lines]


def wait_for_items(root: Path, least: int) -> None:
    channel, until_s = FolderChannel(root / "workers"), time.monotonic() + WAIT_S
    while (report := channel.report(JOB)) is None or report.items_done < least:
        assert time.monotonic() < until_s, "the worker does nothing"
        time.sleep(0.02)


def test_features_are_those_of_a_plain_transform() -> None:
    """Against the definition, written out with one loop and the full complex transform."""
    _, clip = Generated(3, 1).clip(0)
    found = log_mel([clip])[0]
    assert found.shape == (1 + (len(clip) - N_FFT) // HOP, BANDS)
    for frame in (0, 7, len(found) - 1):
        piece = clip[frame * HOP : frame * HOP + N_FFT].astype(np.float64) * WINDOW
        power = np.abs(np.fft.fft(piece)[: N_FFT // 2 + 1]) ** 2
        assert found[frame] == pytest.approx(np.log10(power @ FILTERS), abs=1e-3)


def test_a_tone_is_loudest_in_its_band() -> None:
    at_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * at_s).astype(np.float32)
    mel = 2595 * np.log10(1 + 1000 / 700) / (2595 * np.log10(1 + 8000 / 700)) * (BANDS + 1) - 1
    assert abs(int(log_mel([tone])[0].mean(axis=0).argmax()) - mel) <= 1


def test_padding_changes_no_clip() -> None:
    """Or else the batch size, which is scrimp's to choose, would change the results."""
    clips = [Generated(1, None).clip(position)[1] for position in range(5)]
    assert len({len(clip) for clip in clips}) == 5
    for one, clip in zip(log_mel(clips), clips, strict=True):
        np.testing.assert_allclose(one, log_mel([clip])[0], atol=1e-4)


def test_bad_files_are_left_out_and_counted(tmp_path: Path) -> None:
    tone = (np.sin(np.arange(8000) / 10) * 20000).astype(np.int16)
    wavfile.write(tmp_path / "a.wav", 8000, np.stack([tone, tone], axis=1))  # two channels, another rate
    wavfile.write(tmp_path / "b.wav", RATE_HZ, tone[:100])
    (tmp_path / "c.wav").write_bytes(b"RIFF and nothing more")
    (tmp_path / "d.wav").write_bytes(b"")
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "e.wav").write_bytes(whole[:30])
    run = Run(Folder(sorted(tmp_path.glob("*.wav"))), None)
    assert run.batch(10) == 1
    assert (run.next, run.skipped, run.left()) == (5, 4, 0)
    _, clip = run.source.clip(0)
    assert clip is not None
    assert len(clip) == RATE_HZ
    assert 0.5 < np.abs(clip).max() < 0.7


def test_alone_it_does_all_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--clips", "7", "--batch-size", "3", "--output", str(tmp_path)]) == 0
    assert len((tmp_path / "alone.jsonl").read_text().splitlines()) == 7
    assert capsys.readouterr().out.startswith("7 clips, 0 left out, ")


def test_killed_and_resumed_it_neither_loses_nor_repeats(tmp_path: Path) -> None:
    """Killed without warning after a checkpoint and more lines; the second run, with another batch size, ends it."""
    first = start(tmp_path, "--clips", "120", "--batch-size", "2", "--checkpoint-every", "0.05")
    try:
        wait_for_items(tmp_path, 12)
    finally:
        first.kill()
        first.communicate(timeout=WAIT_S)
    with (tmp_path / "out/audio-0.jsonl").open("a") as file:
        file.write('{"clip": "torn')
    second = start(tmp_path, "--clips", "120", "--batch-size", "9")
    said, _ = second.communicate(timeout=WAIT_S)
    assert second.returncode == 0
    assert said.startswith("120 clips")
    assert names(tmp_path) == [f"{position:08d}" for position in range(120)]


def test_told_to_leave_it_saves_and_goes_on_later(tmp_path: Path) -> None:
    first = start(tmp_path, "--clips", "0", "--batch-size", "2", "--checkpoint-every", "1000")
    wait_for_items(tmp_path, 4)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=WAIT_S)
    assert first.returncode == 0
    done = len(names(tmp_path))
    assert done >= 4
    second = start(tmp_path, "--clips", str(done + 3), "--batch-size", "2")
    second.communicate(timeout=WAIT_S)
    assert names(tmp_path) == [f"{position:08d}" for position in range(done + 3)]


def test_a_control_document_changes_the_batch_size(tmp_path: Path) -> None:
    running = start(tmp_path, "--clips", "0", "--batch-size", "2")
    channel = FolderChannel(tmp_path / "workers")
    try:
        wait_for_items(tmp_path, 2)
        now = channel.control(JOB)
        assert now is not None
        assert channel.write_control(JOB, Control(batch_size=5), expected_revision=now.revision)
        until_s = time.monotonic() + WAIT_S
        while (report := channel.report(JOB)) is None or report.batch_size != 5:
            assert time.monotonic() < until_s, "the batch size stays"
            time.sleep(0.02)
        assert report.run_state is RunState.RUNNING
        assert report.traits.operation == "log_mel"
    finally:
        running.terminate()
        running.communicate(timeout=WAIT_S)


def test_an_output_shorter_than_the_checkpoint_is_refused(tmp_path: Path) -> None:
    """To go on would leave a hole in the results that nobody sees."""
    first = start(tmp_path, "--clips", "4")
    first.communicate(timeout=WAIT_S)
    (tmp_path / "out/audio-0.jsonl").unlink()
    second = start(tmp_path, "--clips", "6")
    _, said = second.communicate(timeout=WAIT_S)
    assert second.returncode == 1
    assert "shorter than the checkpoint" in said


def test_clips_arrive_at_the_rate_that_stands_in_the_file(tmp_path: Path) -> None:
    """What is not done waits; a new rate begins with an empty queue; an empty file is no bound."""
    path = tmp_path / "rate"
    arrivals = Arrivals(path)

    def say(text: str, changed_s: int) -> None:
        path.write_text(text)
        os.utime(path, (changed_s, changed_s))

    assert arrivals.backlog(100.0) is None
    say("2.5\n", 1)
    assert arrivals.backlog(104.0) == 0
    assert arrivals.backlog(108.0) == 10
    arrivals.done(4)
    assert arrivals.backlog(108.0) == 6
    say("what?", 2)
    assert arrivals.backlog(110.0) == 11
    say("100", 3)
    assert arrivals.backlog(111.0) == 0
    say("", 4)
    assert arrivals.backlog(112.0) is None
