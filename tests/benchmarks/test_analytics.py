"""The analytics benchmarks on data that they have never seen: they must degrade, not break."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four days of spend, and a day of three containers that never change."""
    usage = tmp_path / "usage"
    usage.mkdir()
    hours = "".join(f"2020-01-0{day} {hour:02}:00:00,10,20\n" for day in range(1, 5) for hour in range(24))
    (usage / "other_active_nodes.csv").write_text("time,active_nodes,total_nodes\n" + hours)
    rows = "".join(f"{t},g{at},10,{1000 * at},0.5\n" for at in range(1, 4) for t in range(0, 86_400, 300))
    (usage / "some_containers.csv").write_text(
        "t_s,container,gpu_duty_pct,gpu_mem_mib,mem_util_frac\n" + rows
    )
    return tmp_path


def report(script: str, data: Path) -> dict[str, Any]:
    """What a quick run says."""
    done = subprocess.run(
        [sys.executable, script, "--quick", "--data", str(data), "--output", "json"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_short_table_is_left_out_by_name_and_the_rest_is_measured(data):
    found = report("analytics.py", data)
    assert any(name.startswith("forecasts and budgets") for name in found["left_out"])
    bars = {bar["name"]: bar for bar in found["bars"]}
    for suffix in ("", ", all cut at half a day"):
        assert bars[f"GPU memory: containers ever above their size{suffix}"]["figure"] == 0.0
    assert bars["co-location: minutes over 100 %"]["figure"] == 0.0
    assert [bar["figure"] for name, bar in bars.items() if name.startswith("sums")] == [0]


def test_how_far_figures_carry_is_shown_for_what_there_is(data):
    found = report("analytics_choice.py", data)
    assert found["bars"] == []
    assert any(name.startswith("forecasts and budgets") for name in found["left_out"])
    chosen, frontier, tables, parts = found["tables"]
    assert len(chosen["rows"]) == 2 + 3
    assert [row[0] for row in chosen["rows"][-3:]] == ["mean", "standard deviation", "met, of 2"]
    holds = [row for row in frontier["rows"] if not isinstance(row[0], str)]
    assert [row[0] for row in holds] == sorted({row[0] for row in holds})
    assert all(row[1] == 0.0 and row[2] >= 1.0 for row in holds)
    assert {row[1] for row in tables["rows"] if row[0] in {"as it is", "half of the samples"}} == {0.0}
    assert len(parts["rows"]) == 4


def test_a_table_that_is_not_there_is_not_passed_off_as_measured(data):
    """A folder without it is measured on a generated one, and that is said."""
    lines = "from analytics_data import generated_instead; from bench import arguments"
    for lacking in ([], ["containers"]):
        if lacking:
            (data / "usage" / "some_containers.csv").unlink()
        code = f"{lines}; print(*generated_instead(arguments('', ['--data', {str(data)!r}])), sep='\\n')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=BENCHMARKS,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert [line.partition(":")[0] for line in done.stdout.split("\n") if line] == lacking
