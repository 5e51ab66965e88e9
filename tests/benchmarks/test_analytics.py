"""The analytics benchmark on data that it has never seen: it must degrade, not break."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_short_table_is_left_out_by_name_and_the_rest_is_measured(tmp_path):
    usage = tmp_path / "usage"
    usage.mkdir()
    hours = "".join(f"2020-01-0{day} {hour:02}:00:00,10,20\n" for day in range(1, 5) for hour in range(24))
    (usage / "other_active_nodes.csv").write_text("time,active_nodes,total_nodes\n" + hours)
    rows = "".join(f"{t},g{at},10,{1000 * at},0.5\n" for at in range(1, 4) for t in range(0, 86_400, 300))
    (usage / "some_containers.csv").write_text(
        "t_s,container,gpu_duty_pct,gpu_mem_mib,mem_util_frac\n" + rows
    )
    done = subprocess.run(
        [sys.executable, "analytics.py", "--quick", "--data", str(tmp_path), "--output", "json"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert any(name.startswith("forecasts and budgets") for name in report["left_out"])
    bars = {bar["name"]: bar for bar in report["bars"]}
    assert bars["GPU memory: containers ever above their size"]["figure"] == 0.0
    assert bars["co-location: minutes over 100 %"]["figure"] == 0.0
    assert [bar["figure"] for name, bar in bars.items() if name.startswith("sums")] == [0]
