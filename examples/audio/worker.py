"""A job that scrimp can size, batch, pause and drain: log-mel features of 16 kHz clips, in padded batches.

Alone:   python examples/audio/worker.py --clips 200 --batch-size 16
Managed: registered as the command of a job group; the launcher then tells it by environment where to take part.

What it writes is exactly once: each checkpoint holds how many bytes of the output are good, and a resumed worker cuts
off what came after. Clips are generated from a fixed seed, or read from a folder of `.wav` files.
"""

import argparse
import json
import os
import sys
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

# One thread per worker, so that members of a group share the cores fairly; it must be said before NumPy is loaded.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, signal
from scipy.io import wavfile

from scrimp.api import RunState
from scrimp.worker import Worker

RATE_HZ = 16_000
N_FFT = 400  # 25 ms
HOP = 160  # 10 ms
BANDS = 80
FLOOR = 1e-10  # of power, so that silence has a logarithm
SHORTEST_S, MEDIAN_S, LONGEST_S = 0.5, 4.0, 20.0
POLL_S = 0.05

Samples = NDArray[np.float32]


def mel_filters() -> Samples:
    """Triangles of equal area, (N_FFT // 2 + 1, BANDS): from power per frequency to power per band.

    Centres are even on the mel scale 2595 log10(1 + f / 700) (O'Shaughnessy, *Speech Communication*, 1987).
    """
    top = 2595.0 * np.log10(1.0 + RATE_HZ / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    hertz = np.linspace(0.0, RATE_HZ / 2, N_FFT // 2 + 1)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(
        0.0, np.minimum((hertz - left) / (centre - left), (right - hertz) / (right - centre))
    )
    return np.asarray(triangles * (2.0 / (right - left)), dtype=np.float32)


FILTERS = mel_filters()
WINDOW = np.asarray(signal.get_window("hann", N_FFT), dtype=np.float32)


def log_mel(clips: Sequence[Samples]) -> list[Samples]:
    """log10 of mel power, (frames, BANDS) per clip; a frame lies wholly within its clip. Clips have N_FFT samples or more.

    The batch is padded to its longest clip: memory and work grow with the batch size times that length.
    """
    padded = np.zeros((len(clips), max(map(len, clips))), dtype=np.float32)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    frames = sliding_window_view(padded, N_FFT, axis=1)[:, ::HOP] * WINDOW
    spectrum = fft.rfft(frames, axis=-1, workers=1)
    power = spectrum.real**2 + spectrum.imag**2
    features = np.log10(np.maximum(power @ FILTERS, FLOOR))
    return [found[: 1 + (len(clip) - N_FFT) // HOP] for found, clip in zip(features, clips, strict=True)]


class Source(Protocol):
    """Clips by position. `None` stands for one that cannot be used."""

    @property
    def total(self) -> int | None:
        """How many there are; `None`: there is no end."""

    def clip(self, position: int) -> tuple[str, Samples | None]:
        """Its name and samples (16 kHz, -1 to 1)."""


@dataclass(frozen=True, slots=True)
class Generated:
    """Gliding voices over noise, each clip from `seed` and its position alone. Lengths are mixed, as in real data."""

    seed: int
    total: int | None

    def clip(self, position: int) -> tuple[str, Samples]:
        """The same clip for the same seed and position, on any machine."""
        random = np.random.default_rng([self.seed, position])
        seconds = float(np.clip(MEDIAN_S * random.lognormal(0.0, 0.6), SHORTEST_S, LONGEST_S))
        at_s = np.arange(int(seconds * RATE_HZ), dtype=np.float32) / np.float32(RATE_HZ)
        pitch_hz, glide = random.uniform(90.0, 250.0), random.uniform(-0.2, 0.2)
        phase = np.float32(2 * np.pi * pitch_hz) * (at_s + np.float32(glide / (2 * seconds)) * at_s**2)
        voice = sum(np.sin(phase * np.float32(k)) / np.float32(k) for k in (1, 2, 3, 5))
        noise = random.standard_normal(len(at_s), dtype=np.float32)
        return f"{position:08d}", np.asarray(0.2 * voice + 0.02 * noise, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Folder:
    """The `.wav` files of a folder, in the order given."""

    paths: Sequence[Path]

    @property
    def total(self) -> int:
        """How many there are, good or not."""
        return len(self.paths)

    def clip(self, position: int) -> tuple[str, Samples | None]:
        """The file brought to one channel and 16 kHz; `None` where it is damaged, empty or shorter than a frame."""
        path = self.paths[position]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", wavfile.WavFileWarning)  # unknown chunks do no harm
                rate, found = wavfile.read(path)
        except Exception as error:  # noqa: BLE001 - the parser throws whatever a damaged header leads it to
            print(f"{path.name}: left out: {error}", file=sys.stderr)
            return path.name, None
        samples = _unit(found)
        samples = samples.mean(axis=1) if samples.ndim == 2 else samples
        if rate != RATE_HZ and len(samples) and rate > 0:
            samples = signal.resample_poly(samples, RATE_HZ, rate)
        if len(samples) < N_FFT or not np.isfinite(samples).all():
            print(f"{path.name}: left out: shorter than a frame, or not finite", file=sys.stderr)
            return path.name, None
        return path.name, np.asarray(samples, dtype=np.float32)


def _unit(found: NDArray[Any]) -> NDArray[np.float64]:
    """Integer samples as -1 to 1."""
    if found.dtype == np.uint8:
        return (found.astype(np.float64) - 128.0) / 128.0
    scale = float(-np.iinfo(found.dtype).min) if np.issubdtype(found.dtype, np.integer) else 1.0
    return found.astype(np.float64) / scale


@dataclass(slots=True)
class Run:
    """Where the work stands: what a checkpoint saves, and what a resumed worker goes on from."""

    source: Source
    output: IO[bytes] | None
    next: int = 0
    skipped: int = 0
    seconds: float = 0.0  # of audio, in the last batch

    def state(self) -> dict[str, int]:
        """For the checkpoint. The output is on the disk before the checkpoint says so."""
        size = 0
        if self.output is not None:
            self.output.flush()
            os.fsync(self.output.fileno())
            size = self.output.tell()
        return {"next": self.next, "skipped": self.skipped, "bytes": size}

    def resume(self, state: dict[str, int] | None) -> None:
        """Go on from a checkpoint, or begin anew: lines written after it are cut off and made again."""
        state = state or {"next": 0, "skipped": 0, "bytes": 0}
        self.next, self.skipped = state["next"], state["skipped"]
        if self.output is not None:
            if self.output.seek(0, os.SEEK_END) < state["bytes"]:
                raise SystemExit(
                    "the output is shorter than the checkpoint says: bring it back, or remove both"
                )
            self.output.truncate(state["bytes"])
            self.output.seek(state["bytes"])

    def left(self) -> int | None:
        """Clips still to do; `None` where there is no end."""
        return None if self.source.total is None else self.source.total - self.next

    def batch(self, size: int) -> int:
        """Do the next `size` clips, or what is left; gives how many could be used."""
        left = self.left()
        end = self.next + (size if left is None else min(size, left))
        found = [self.source.clip(position) for position in range(self.next, end)]
        good = [(name, clip) for name, clip in found if clip is not None]
        if good:
            features = log_mel([clip for _, clip in good])
            self._write([name for name, _ in good], features)
        self.next, self.skipped = end, self.skipped + len(found) - len(good)
        self.seconds = sum(len(clip) for _, clip in good) / RATE_HZ
        return len(good)

    def _write(self, names: Sequence[str], features: Sequence[Samples]) -> None:
        if self.output is None:
            return
        for name, one in zip(names, features, strict=True):
            bands = [round(float(value), 4) for value in one.mean(axis=0)]
            line = {"clip": name, "frames": len(one), "crc32": zlib.crc32(one.tobytes()), "mean": bands}
            self.output.write(json.dumps(line).encode() + b"\n")


@dataclass(slots=True)
class Arrivals:
    """Clips that come in at a rate, in clips per second, read from a file whenever it changes; without a file all are there.

    What has come in and is not yet done is the backlog. A file that is missing or unreadable leaves the rate as it is.
    """

    path: Path | None
    _rate: float | None = None
    _changed_ns: int = -1
    _backlog: float = 0.0
    _at_s: float = 0.0

    def backlog(self, now_s: float) -> int | None:
        """Clips that wait now; `None`: as many as one likes."""
        if self.path is None:
            return None
        self._backlog += (self._rate or 0.0) * (now_s - self._at_s)
        self._at_s = now_s
        try:
            changed_ns = self.path.stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                text = self.path.read_text().strip()
                rate = float(text) if text else None
                if rate != self._rate:
                    self._backlog = 0.0
                self._rate, self._changed_ns = rate, changed_ns
        except (OSError, ValueError):
            pass
        return None if self._rate is None else int(self._backlog)

    def done(self, count: int) -> None:
        """So many clips wait no longer."""
        self._backlog = max(self._backlog - count, 0.0)


def work(run: Run, worker: Worker, arrivals: Arrivals, *, checkpoint_every_s: float) -> None:
    """Batches until all is done or it is time to leave. A batch begins as soon as one clip waits."""
    saved_s = time.monotonic()
    while run.left() != 0 and worker.control().run_state is RunState.RUNNING:
        waiting = arrivals.backlog(time.monotonic())
        if waiting == 0:
            time.sleep(POLL_S)
            continue
        began_s = time.perf_counter()
        done = run.batch(worker.batch_size if waiting is None else min(worker.batch_size, waiting))
        arrivals.done(done)
        left, total = run.left(), run.source.total
        progress = None if total is None else run.next / total
        queue = left if waiting is None else arrivals.backlog(time.monotonic())
        took_s = time.perf_counter() - began_s
        worker.batch_done(done, took_s, work=run.seconds, progress=progress, waiting=queue)
        if time.monotonic() - saved_s >= checkpoint_every_s:
            worker.checkpoint(run.state())
            saved_s = time.monotonic()


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Log-mel features of audio clips, as a job that scrimp can manage."
    )
    parser.add_argument("--clips", type=int, default=200, help="how many; 0: for ever, or all of the folder")
    parser.add_argument("--batch-size", type=int, default=16, help="until scrimp wants another (default 16)")
    parser.add_argument("--folder", type=Path, help="read .wav files from here instead of generating clips")
    parser.add_argument(
        "--output", type=Path, help="a folder for one line of JSON per clip; none is kept without it"
    )
    parser.add_argument("--seed", type=int, default=7, help="of the generated clips (default 7)")
    parser.add_argument(
        "--checkpoint-every", type=float, default=30.0, metavar="SECONDS", help="(default 30)"
    )
    parser.add_argument(
        "--arrivals",
        type=Path,
        metavar="FILE",
        help="clips come in at the rate that stands in this file, in clips per second, and may change; empty: all at once",
    )
    found = parser.parse_args(arguments)
    if found.clips < 0 or found.batch_size < 1 or found.seed < 0 or found.checkpoint_every <= 0:
        parser.error(
            "--clips and --seed must not be negative, --batch-size and --checkpoint-every be positive"
        )
    if found.folder is not None and not found.folder.is_dir():
        parser.error(f"{found.folder} is not a folder")
    return found


def _source(options: argparse.Namespace) -> Source:
    if options.folder is None:
        return Generated(options.seed, options.clips or None)
    paths = sorted(path for path in options.folder.iterdir() if path.suffix.lower() == ".wav")
    return Folder(paths[: options.clips or None])


@contextmanager
def _output(folder: Path | None, job: str) -> Iterator[IO[bytes] | None]:
    """The job's own file, open for reading and writing; made where it is not there."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.rpartition('/')[2] or 'alone'}.jsonl"
    path.touch()
    with path.open("r+b") as file:
        yield file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; gives the exit status."""
    options = _parsed(arguments)
    run = Run(_source(options), None)
    worker = Worker.join(operation="log_mel", batch_size=options.batch_size, device="cpu", state=run.state)
    began_s = time.perf_counter()
    with _output(options.output, worker.job) as run.output:
        run.resume(worker.restore())
        before = run.next - run.skipped
        with worker:
            work(run, worker, Arrivals(options.arrivals), checkpoint_every_s=options.checkpoint_every)
    took_s = max(time.perf_counter() - began_s, 1e-9)
    done = run.next - run.skipped
    print(f"{done} clips, {run.skipped} left out, {(done - before) / took_s:.1f} clips/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
