"""The plumbing of the benchmarks, run the way a reader runs them: as a script of its folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPT = """
import sys
sys.path.insert(0, {benchmarks!r})
from bench import Arguments, Report, Table, at_least, at_most, read_csv, run

def main(given: Arguments) -> Report:
    given.begin("reading")
    rows = [row for path in given.files("usage", "*.csv*") for row in read_csv(path)]
    value = float(rows[0]["value"]) if rows else 1.0
    return Report([at_least("value", value, 2.0, "s"), at_most("rows", len(rows), 9)],
                  left_out=["nothing"], tables=[Table("t", ["name [x]"], [["a [b]"]])])

sys.exit(run("A benchmark.", main))
"""


def run_script(
    tmp_path: Path, *args: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(benchmarks=str(BENCHMARKS)))
    return subprocess.run(
        [sys.executable, str(script), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def data_folder(tmp_path: Path, value: str) -> Path:
    folder = tmp_path / "data" / "usage"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(f"value\n{value}\n")
    return tmp_path / "data"


def test_json_carries_every_bar(tmp_path):
    """Other programs judge a run by this shape, so it is a contract."""
    done = run_script(tmp_path, "--data", str(data_folder(tmp_path, "2.5")), "--output", "json", "--quick")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["bars"][0] == {"name": "value", "figure": 2.5, "unit": "s", "bar": ">= 2", "met": True}
    assert report["left_out"] == ["nothing"]
    assert report["quick"] is True
    assert report["generated_data"] is False


def test_a_full_run_tells_where_it_is(tmp_path):
    """Beside the figures, which a program reads."""
    data = str(data_folder(tmp_path, "2.5"))
    full = run_script(tmp_path, "--data", data, "--output", "json")
    assert full.stderr == "     0 s  reading\n"
    json.loads(full.stdout)
    assert run_script(tmp_path, "--data", data, "--quick").stderr == ""


def test_a_missed_bar_is_exit_code_1(tmp_path):
    done = run_script(tmp_path, env={"SCRIMP_BENCH_DATA": str(data_folder(tmp_path, "1.5"))})
    assert done.returncode == 1
    assert "NOT MET" in done.stdout
    assert "a [b]" in done.stdout


def test_the_folder_itself_may_be_given(tmp_path):
    done = run_script(tmp_path, "--data", str(data_folder(tmp_path, "2.5") / "usage"))
    assert done.returncode == 0, done.stderr


def test_a_missing_data_folder_is_wrong_usage(tmp_path):
    """A mistyped folder must not silently become generated data."""
    assert run_script(tmp_path, "--data", str(tmp_path / "nowhere")).returncode == 2


UNJUDGED = """
import sys
sys.path.insert(0, {benchmarks!r})
from bench import Arguments, Bar, Report, Table, at_most, run

def main(given: Arguments) -> Report:
    bars = [Bar("nothing", None, ">= 60", None, "%"), Bar("half", 70.0, ">= 60", None, "%")]
    if given.seed == 2:
        bars.append(at_most("never came", float("inf"), 6.0, "s"))
    return Report(bars, tables=[Table("t", ["seconds"], [[float("nan")]])])

sys.exit(run("A benchmark.", main))
"""


def run_unjudged(tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(UNJUDGED.format(benchmarks=str(BENCHMARKS)))
    return subprocess.run(
        [sys.executable, str(script), *args], capture_output=True, text=True, timeout=60, check=False
    )


def test_what_is_not_judged_is_not_shown_as_met(tmp_path):
    """A bar without a figure shows none, and one of a part says so."""
    done = run_unjudged(tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "nothing - >= 60 % not measured" in lines
    assert "half 70 % >= 60 % only a part measured" in lines


def test_what_never_came_is_not_met_and_is_json(tmp_path):
    """Strict JSON has no Infinity."""

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    done = run_unjudged(tmp_path, "--seed", "2", "--output", "json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout, parse_constant=refuse)
    assert report["bars"][2]["figure"] == "inf"
    assert report["bars"][2]["met"] is False
    assert report["tables"][0]["rows"] == [["nan"]]
