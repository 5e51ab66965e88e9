"""The tuning benchmark on other tables of the same format: it must read what is there, not what it knows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPT = """
import sys
sys.path.insert(0, {benchmarks!r})
from bench import arguments
from tuning_data import read_curves
from tuning_axes import read_jobs, read_servers
given = arguments("", ["--data", {data!r}])
print([(c.source, c.name, c.batch, c.items_per_s, c.tail_s) for c in read_curves(given)])
print([(j.dataset, j.device, round(j.saved(min(j.grid)), 4), tuple(j.default)) for j in read_jobs(given)])
print([(s.name, len(s.grid), len(s.all_cells), s.best(0.1)) for s in read_servers(given)])
"""
SERVING = """domain,model,gpu,precision,backend,input,batch_size,concurrency,latency_avg_ms,latency_p50_ms,latency_p90_ms,latency_p95_ms,latency_p99_ms,items_per_s
x,new,H9,FP8,b,,1,1,10,,,,,100
x,new,H9,FP8,b,,4,1,20,,,25,,200
x,new,H9,FP8,b,,2,1,12,,13,14,15,150
x,new,H9,FP8,b,,8,1,,,,,,
"""
GAVEL = """gpu,model,batch_size,gpus,steps_per_s
z1,Net,16,2,4
z1,Net,32,2,3
z1,Net,64,2,2
z1,Net,128,2,0.0
z1,Other,,1,5
"""
POWER = """dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power
speech,net,8,adam,100,10,80
speech,net,8,adam,200,8,150
speech,net,16,adam,200,8,160
"""
EPOCHS = """dataset,network,batch_size,optimizer,learning_rate,run,target_metric,target_epoch
speech,net,8,adam,1,1,30,4
speech,net,16,adam,1,1,30,8
speech,net,16,adam,1,1,20,nan
"""
GRID = """model,gpu,max_batch,instances,concurrency,client_batch,throughput_per_s,latency_avg_ms,latency_p90_ms,latency_p95_ms,latency_p99_ms,queue_ms,infer_ms,gpu_mem_used_mib,gpu_util_pct,gpu_power_w,is_default
m,g,1,1,1,1,50,20,20,20,21,0,19,,,90,0
m,g,2,1,2,1,70,28,28,28,29,0,19,,,95,0
m,g,128,1,2,1,80,25,25,25,26,0,19,,,95,1
"""


def test_other_tables_are_read_by_their_columns(tmp_path):
    """Tail is the highest percentile told; what did not fit or was not measured is no point; defaults are results only."""
    usage = tmp_path / "usage"
    usage.mkdir()
    for name, text in {
        "batch_infer_nvidia.csv": SERVING,
        "batch_train_gavel_isolated.csv": GAVEL,
        "batch_train_zeus_power_z9.csv": POWER,
        "batch_train_zeus_epochs.csv": EPOCHS,
        "batch_infer_triton_grid.csv": GRID,
    }.items():
        (usage / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(benchmarks=str(BENCHMARKS), data=str(tmp_path)))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    curves, jobs, servers = done.stdout.splitlines()
    assert curves == (
        "[('serving', 'x new H9 FP8 b 1', (1, 2, 4), (100.0, 150.0, 200.0), (0.01, 0.015, 0.025)), "
        "('training, types', 'Net z1 2', (16, 32, 64), (128.0, 192.0, 256.0), (0.25, 0.3333333333333333, 0.5))]"
    )
    # default 16 at 200 W: 8 epochs x 8 s x (80 + 100) W; 8 at 100 W: 4 x 10 x (40 + 100)
    assert jobs == f"[('speech', 'z9', {1 - 5600 / 11520:.4f}, (16, 1, 1, 200.0))]"
    assert servers == "[('m g', 2, 3, 80.0)]"


@pytest.mark.soak
def test_without_tables_it_generates_and_says_so(tmp_path):
    """The bars that need no table are measured; the one of a named table is not, instead of being made up."""
    done = subprocess.run(
        [
            sys.executable,
            str(BENCHMARKS / "tuning.py"),
            "--quick",
            "--data",
            str(tmp_path),
            "--output",
            "json",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode in {0, 1}, done.stderr
    report = json.loads(done.stdout)
    bars = {bar["name"]: bar for bar in report["bars"]}
    assert bars["bound broken"]["met"] is True
    assert bars["audio training on an A40: saved against the default"]["met"] is None
    assert any("generated" in line for line in report["left_out"])
