"""`scrimp tune`: what was measured, in text, JSON and as a page; wrong files are told by line."""

import json
import time
from pathlib import Path

import pytest
from tests.cli.command import Shell

from scrimp_actions.tuning import Goal, Observation, Setting, Workload, fold
from scrimp_actions.tuning.notebook import Notebook
from scrimp_actions.tuning.session import Session, Wish

LOOKS = """\
operation,device,batch,items_per_s,latency_s,tail_s,memory_bytes
asr,A100,1,20,0.05,0.06,1000000000
asr,A100,4,70,0.057,0.07,1200000000
asr,A100,16,190,0.084,0.1,2000000000
asr,A100,64,260,0.246,0.3,6000000000
asr,A100,128,262,0.49,0.6,11000000000
asr,T4,8,50,0.16,0.2,1000000000
"""


@pytest.fixture
def looks(folder: Path) -> Path:
    (folder / "looks.csv").write_text(LOOKS)
    return folder / "looks.csv"


def test_the_best_size_within_the_bound_is_named_and_what_stopped_the_others(
    scrimp: Shell, looks: Path
) -> None:
    ran = scrimp("tune", "asr", "--history", str(looks), "--max-latency", "400ms")
    assert ran.code == 0
    assert "best measured: batch 64" in ran.out
    assert "latency 0.6 s over 0.4 s" in ran.out
    assert "asr on T4" in ran.out
    assert "batch 128      1  !!!!" in ran.out


LONG = "an-operation-with-a-long-name,NVIDIA A100-SXM4-80GB of the second generation and more,1024,{rate},31,31,15000000000\n"


@pytest.mark.parametrize("columns", ["80", "60"])
def test_no_line_is_longer_than_the_screen(
    scrimp: Shell, looks: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    looks.write_text(LOOKS + LONG.format(rate=33) * 12)
    ran = scrimp("tune", "--history", str(looks), "--max-latency", "400ms", "--max-memory", "8GiB")
    assert max(len(line) for line in ran.out.splitlines()) <= int(columns)


def test_a_size_that_only_failed_was_measured_and_one_beyond_all_memory_says_so(
    scrimp: Shell, looks: Path
) -> None:
    looks.write_text(
        "operation,batch,items_per_s,latency_s,n,errors\nasr,8,80,0.1,20,0\nasr,16,0,,20,20\nasr,32,0,,20,20\n"
    )
    ran = scrimp("tune", "--history", str(looks), "--max-memory", "8GiB")
    out = {line.split()[1]: line for line in ran.out.splitlines() if line.startswith("  batch")}
    assert "memory unknown, too far to try" in out["64"]
    assert " inf" not in ran.out
    ran = scrimp("tune", "--history", str(looks))
    out = {line.split()[1]: line for line in ran.out.splitlines() if line.startswith("  batch")}
    assert out["16"].endswith("100% fail, over 5%")
    assert out["64"].endswith("100% fail, over 5%, expected")


def test_json_says_the_same(scrimp: Shell, looks: Path) -> None:
    ran = scrimp("tune", "--history", str(looks), "--max-memory", "8GiB", "--output", "json")
    study = json.loads(ran.out)["studies"][0]
    assert study["best"]["batch"] == 64
    out = {one["batch"]: one["out"] for one in study["curve"]}
    assert out[128].startswith("memory ")
    assert out[64] is None
    figures = {one["batch"]: (one["items_per_s"], one["latency_s"], one["watts"]) for one in study["curve"]}
    assert figures[64] == pytest.approx((260.0, 0.3, None))
    assert figures[32] == (None, None, None)


def test_the_page_stands_alone(scrimp: Shell, looks: Path, folder: Path) -> None:
    """No script, and nothing from outside; text of the user cannot become markup."""
    looks.write_text(LOOKS.replace("asr,", "<b>asr</b>,"))
    assert scrimp("tune", "--history", str(looks), "--html", "page.html").code == 0
    page = (folder / "page.html").read_text()
    assert "<svg" in page
    assert "&lt;b&gt;asr" in page
    assert not any(word in page for word in ("<script", "http://", "https://", "<b>asr"))


def test_what_the_engine_measured_is_shown_under_the_bounds_of_its_policy(
    scrimp: Shell, folder: Path
) -> None:
    assert scrimp("tune").code == 2
    workload = Workload("log_mel", "cpu")
    rows = [
        Observation(workload, Setting(batch), time.time(), 20, batch / rate, rate, batch / rate)
        for batch, rate in ((32, 60.0), (8, 110.0), (4, 120.0))
        for _ in range(5)
    ]
    session = Session(
        workload,
        32,
        time.time(),
        fold({}, rows)[workload],
        told="batch 4 against 32: no verdict, +1% over 6 pairs",
    )
    notebook = Notebook(folder / ".scrimp/tuning")
    notebook.keep_session("log_mel", session)
    notebook.keep_wish("log_mel", Wish(Goal(max_latency_s=0.01)))
    ran = scrimp("tune", "log_mel", "--max-latency", "10s")
    assert "no verdict" in ran.out
    assert "<- in use" in ran.out
    assert "over 10 s" not in ran.out
    assert "over 0.01 s" in scrimp("tune").out


def test_it_says_what_the_engine_says_by_the_options_of_its_collector(scrimp: Shell, folder: Path) -> None:
    """Two looks a size are enough for the engine: it has come to rest, and so says the command. Another device is shown, too."""
    now_s = time.time() - 60.0
    work, other = Workload("log_mel", "cpu"), Workload("log_mel", "A100", "fp16")
    rows = [
        Observation(one, Setting(batch), now_s, 20, batch / rate, rate, batch / rate, 0.02)
        for one in (work, other)
        for batch, rate in ((8, 100.0), (4, 120.0), (2, 110.0), (1, 90.0), (16, 60.0))
    ]
    history = fold({}, rows)
    session = Session(work, 4, now_s, history[work], aside={other: history[other]})
    notebook = Notebook(folder / ".scrimp/tuning")
    notebook.keep_session("log_mel", session)
    notebook.keep_wish("log_mel", Wish(Goal(max_latency_s=1.0)))
    assert notebook.session("log_mel") == session
    first, second = json.loads(scrimp("tune", "--output", "json").out)["studies"]
    assert (first["verdict"], first["best"]["batch"], first["current"]) == ("choose", 4, 4)
    assert second["workload"]["precision"] == "fp16"
    (folder / "scrimp.yaml").write_text("collectors:\n  tuning: {half_life_s: 1}\n")
    assert json.loads(scrimp("tune", "--output", "json").out)["studies"][0]["verdict"] == "wait"


def test_it_keeps_to_the_memory_that_the_jobs_have_and_to_the_reserve(scrimp: Shell, folder: Path) -> None:
    """As the engine does: 4 GiB of the smallest job, less what `scrimp.yaml` keeps free of it."""
    gib, now_s, work = 2.0**30, time.time(), Workload("log_mel", "cpu")
    rows = [
        Observation(work, Setting(2**k), now_s, 20, 0.1, 10.0 * 2**k, 0.1, 0.02, (k + 1) * gib)
        for k in range(4)
    ]
    session = Session(work, 1, now_s, fold({}, rows)[work], memory_limit_bytes=4.0 * gib)
    notebook = Notebook(folder / ".scrimp/tuning")
    notebook.keep_session("log_mel", session)
    notebook.keep_wish("log_mel", Wish(Goal()))
    assert notebook.session("log_mel") == session

    def best() -> int:
        return json.loads(scrimp("tune", "--output", "json").out)["studies"][0]["best"]["batch"]

    assert best() == 4
    (folder / "scrimp.yaml").write_text("collectors:\n  tuning: {memory_reserve_bytes: 1500000000}\n")
    assert best() == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("asr,A100,0,3", "a whole `batch`"),
        ("asr,A100,2.5,3", "a whole `batch`"),
        ("asr,A100,x,3", "could not convert"),
        (",A100,2,3", "an operation"),
        ("asr,A100,2,-3", "`items_per_s` is -3"),
        ("asr,A100,2,inf", "`items_per_s` is inf"),
    ],
)
def test_a_bad_row_is_told_with_its_line(scrimp: Shell, looks: Path, row: str, said: str) -> None:
    looks.write_text(f"{LOOKS}{row}\n")
    ran = scrimp("tune", "--history", str(looks))
    assert ran.code == 2
    assert said in ran.err
    assert "looks.csv:8:1" in ran.err


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\x00", "operation,batch\n"])
def test_a_file_that_is_none_is_one_sentence(scrimp: Shell, looks: Path, text: str) -> None:
    looks.write_text(text)
    ran = scrimp("tune", "--history", str(looks))
    assert (ran.code, ran.out) == (2, "")
    assert "has no column" in ran.err


def test_wrong_amounts_are_wrong_usage(scrimp: Shell, looks: Path) -> None:
    assert scrimp("tune", "--history", str(looks), "--max-latency", "3").code == 2
    assert scrimp("tune", "--history", str(looks), "--max-memory", "2s").code == 2
