"""Advice in reports: by the marks of scrimp.yaml, worth what can be given back, nothing twice, each a policy that checks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policies import checked
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour, sampled

from scrimp.model.usage import GPU, MICRO, STORAGE, Period, UsageRow
from scrimp.reports import Ask, Report, document, make_report, page, text
from scrimp.reports.pools import AdviceRules

GIB = float(1 << 30)
NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
HOURS = 26
NOW_S = START_S + HOURS * 3600.0
MARKS = dict.fromkeys(("gpu", "cpu", "memory", "storage"), (0.5, 0.9))


def hours(nodes: Mapping[str, tuple[str, float, float]]) -> list[UsageRow]:
    """A day of machines of a dollar and four cores each: the pool, the cores given away, and those used."""
    return [
        row
        for hour in range(HOURS)
        for name, (pool, given_, used) in nodes.items()
        for row in node_hour(START_S + hour * HOUR_S, name, MICRO, [(f"{name}-job", given_, used)], pool=pool)
    ]


def report(
    root: Path,
    rows: list[UsageRow],
    samples: Mapping[str, Any] | None = None,
    rules: AdviceRules | None = None,
    **marks: Any,
) -> Report:
    """`samples` are the rows of each tick, by kind and name: every ten minutes, or with `rules` every hour.

    A value that is a list goes on by one at each tick.
    """
    made = history(root, rows)
    ticks = {
        START_S + at * 600.0: {
            kind: {name: {field: _at(one, at) for field, one in row.items()} for name, row in rows_.items()}
            for kind, rows_ in (samples or {}).items()
        }
        for at in range(0, HOURS * 6, 1 if rules is None else 6)
    }
    if samples:
        sampled(made.folder, ticks)
    ask = replace(Ask.of(NOVEMBER, marks=marks or MARKS), advising=rules or AdviceRules())
    found = make_report(made, ask, NOW_S)
    for one in found.advice:
        assert checked(one.policy).policies
    for currency in found.figures.currencies:
        spend = sum(found.figures.total(currency)) / MICRO / HOURS
        saved = [one.saving_per_hour for one in found.advice if one.saving_per_hour.currency == currency]
        assert sum(one.amount for one in saved) <= spend * (1 + 1e-9)
    return found


def _at(value: Any, tick: int) -> Any:
    return value[tick % len(value)] if isinstance(value, list) else value


def saved(found: Report) -> dict[tuple[str, str, str], float]:
    return {
        (one.kind, one.target, one.resource): round(one.saving_per_hour.amount, 6) for one in found.advice
    }


def test_the_marks_decide(tmp_path: Path) -> None:
    rows = hours({"i": ("idle", 0.4, 0.4), "b": ("busy", 4.0, 3.9), "f": ("fine", 2.4, 2.4)})
    for at, ((idle, busy), expected) in enumerate(
        [
            ((0.5, 0.9), {("idle", "idle"), ("overloaded", "busy")}),
            ((0.7, 0.99), {("idle", "fine"), ("idle", "idle")}),
            ((0.05, 0.99), set()),
        ]
    ):
        found = report(tmp_path / str(at), rows, cpu=(idle, busy))
        assert {(one.kind, one.target) for one in found.advice} == expected


@pytest.mark.parametrize(
    ("nodes", "given_", "used", "worth"),
    [
        (1, 0.4, 0.4, 0.0),
        (4, 0.4, 0.4, 3.0),
        (4, 1.2, 1.2, 1.0),
        (4, 1.9, 1.9, 0.0),
        (4, 4.0, 0.1, 0.0),
        (3, 0.0, 0.0, 3.0),
    ],
    ids=[
        "one node",
        "a tenth of four",
        "most of a node more",
        "full at the mark",
        "given away",
        "nothing runs",
    ],
)
def test_idle_is_worth_whole_nodes(
    tmp_path: Path, nodes: int, given_: float, used: float, worth: float
) -> None:
    """At a mark of half, what runs must fit on half of each node that is left; what was given to jobs stays given."""
    found = report(tmp_path, hours({f"n{at}": ("train", given_, used) for at in range(nodes)}))
    assert saved(found) == {("idle", "train", "cpu"): pytest.approx(worth)}
    (one,) = found.advice
    assert ("given back" in one.message) == (worth == 0)


def test_a_resource_that_is_full_keeps_the_nodes_of_one_that_is_idle(tmp_path: Path) -> None:
    """A GPU that nobody uses on a machine whose cores are all taken cannot be given back by itself."""
    rows = hours({f"n{at}": ("train", 4.0, 4.0) for at in range(4)})
    rows += [
        replace(row, resource=GPU, capacity=1.0) for row in rows if row.resource == "cpu" and not row.job
    ]
    found = report(tmp_path, sorted(rows, key=lambda row: (row.start_s, row.node)))
    assert saved(found)["idle", "train", "gpu"] == 0


NODE = {"group": "train", "price_per_hour": 1.0, "cores": 4.0, "memory_bytes": 64 * GIB}
JOB = {"operation": "mel", "state": "running", "cores": 1.0, "memory_limit": 20 * GIB, "memory_used": 4 * GIB}


def test_nodes_whose_jobs_are_known_are_packed_as_the_jobs_ask(tmp_path: Path) -> None:
    """Two of four nodes can be emptied: three jobs of 20 GiB fit on a node of 64."""
    rows = hours({f"n{at}": ("train", 1.0, 0.1) for at in range(4)})
    samples = {
        "node": {f"n{at}": NODE for at in range(4)},
        "job": {f"j{at}": JOB | {"node": f"n{at}"} for at in range(4)},
    }
    found = report(tmp_path, rows, samples, cpu=(0.5, 0.9))
    assert saved(found)["idle", "train", "cpu"] == pytest.approx(2.0)
    pinned = {
        "node": samples["node"],
        "job": {name: job | {"critical": True} for name, job in samples["job"].items()},
    }
    found = report(tmp_path / "pinned", rows, pinned, cpu=(0.5, 0.9))
    assert saved(found)["idle", "train", "cpu"] == 0


def test_a_group_without_nodes_is_worth_its_members(tmp_path: Path) -> None:
    rows = [
        replace(row, capacity=8.0) if row.resource == "cpu" and not row.job else row
        for row in hours({"node_group/work": ("work", 0.8, 0.8)})
    ]
    samples = {"node_group": {"work": {"size": 8.0, "cost_rate": 1.0, "cpu_utilization": 0.1}}}
    assert saved(report(tmp_path, rows, samples)) == {("idle", "work", "cpu"): pytest.approx(6 / 8)}


def gpus(nodes: int, duty: float = 0.1, memory: float = 0.2, **job: Any) -> dict[str, Any]:
    return {
        "node": {
            f"n{at}": NODE | {"gpus": 1.0, "gpu_utilization": duty, "gpu_memory_utilization": memory}
            for at in range(nodes)
        },
        "job": {f"j{at}": JOB | {"node": f"n{at}", "gpus": 1.0} | job for at in range(nodes)},
    }


def test_jobs_that_fit_on_fewer_gpus_share_them(tmp_path: Path) -> None:
    """Four of a fifth of the memory fit on one GPU, three of 20 GiB on one machine: two of four nodes come free."""
    rows = hours({f"n{at}": ("train", 1.0, 1.0) for at in range(4)})
    found = report(tmp_path, rows, gpus(4), gpu=(0.5, 0.9))
    assert saved(found)["share", "train", "gpu"] == pytest.approx(2.0)
    (one,) = (each for each in found.advice if each.kind == "share")
    assert "the 4 jobs of train fit on 2 GPUs" in one.message
    assert "scale_down(to = 2)" in one.policy
    assert "fit on 2 GPUs" in " ".join(text(found).split())
    assert "fit on 2 GPUs" in page(found)
    assert "share" in {each["kind"] for each in document(found)["currencies"][0]["advice"]}


@pytest.mark.parametrize(
    "samples",
    [gpus(4, duty=0.7), gpus(4, memory=0.6), gpus(4, critical=True), gpus(4, cores=4.0), gpus(4, gpus=0.5)],
    ids=["duty", "memory", "critical", "cores", "shares already"],
)
def test_jobs_that_do_not_fit_keep_their_gpu(tmp_path: Path, samples: dict[str, Any]) -> None:
    rows = hours({f"n{at}": ("train", 1.0, 1.0) for at in range(4)})
    found = report(tmp_path, rows, samples, cpu=(0.0, 1.0))
    assert not [one for one in found.advice if one.kind == "share"]


def test_a_node_without_a_known_job_stays_when_others_share(tmp_path: Path) -> None:
    rows = hours({f"n{at}": ("train", 1.0, 1.0) for at in range(3)})
    samples = gpus(3)
    del samples["job"]["j2"]
    found = report(tmp_path, rows, samples, cpu=(0.0, 1.0))
    (one,) = (each for each in found.advice if each.kind == "share")
    assert "scale_down(to = 2)" in one.policy
    assert one.saving_per_hour.amount == pytest.approx(1.0)


def test_too_short_a_past_is_told_and_shares_nothing(tmp_path: Path) -> None:
    rows = hours({f"n{at}": ("train", 1.0, 1.0) for at in range(4)})
    short = gpus(4)
    for node in short["node"].values():
        node["gpu_utilization"] = [0.1, None]
    found = report(tmp_path, rows, short, gpu=(0.5, 0.9))
    line = "sharing: not enough data: too little gpu_utilization and gpu_memory_utilization of train"
    assert line in found.lacking
    assert not [one for one in found.advice if one.kind == "share"]


def test_what_is_freed_is_not_on_spot_as_well(tmp_path: Path) -> None:
    """Two of four nodes are given back; spot is cheaper for the other two."""
    rows = [
        replace(row, instance_type="p4d", purchase_option="on_demand")
        for row in hours({f"n{at}": ("train", 1.0, 1.0) for at in range(4)})
    ]
    samples = gpus(4, checkpointable=True) | {"spot_market": {"m": {"instance_type": "p4d", "discount": 0.6}}}
    found = saved(report(tmp_path, rows, samples, cpu=(0.0, 1.0)))
    assert found == {
        ("share", "train", "gpu"): pytest.approx(2.0),
        ("spot", "train", "p4d"): pytest.approx(1.2),
        ("size", "mel", "memory"): 0.0,
    }


def test_volumes_and_pools_of_one_resource_have_targets_of_their_own(tmp_path: Path) -> None:
    rows = []
    for hour in range(HOURS):
        start_s = START_S + hour * HOUR_S
        shared = {"start_s": start_s, "end_s": start_s + HOUR_S, "resource": STORAGE}
        volume, pool = (
            {"node": "volume/data"} | shared,
            {"node": "pool/slots", "pool": "slots", **shared, "resource": GPU},
        )
        rows += [
            UsageRow(**pool, capacity=10.0, billed_micro=10 * MICRO),
            UsageRow(**pool, job="unattributed", allocated=1.0, used=1.0),
            UsageRow(**volume, capacity=100.0, billed_micro=MICRO),
            UsageRow(**volume, job="unattributed", allocated=10.0, used=10.0),
        ]
    found = report(tmp_path, rows)
    assert saved(found) == {("idle", "slots", "gpu"): 8.0, ("idle", "data", "storage"): 0.8}
    policies = "".join(one.policy for one in found.advice)
    assert 'pool where name == "slots"' in policies
    assert 'volume where name == "data"' in policies


def test_what_nobody_measured_is_neither_idle_nor_overloaded(tmp_path: Path) -> None:
    """As bills are, that were imported: a volume, and machines of a pool."""
    rows = [
        replace(row, used=float("nan")) if row.job else row
        for row in hours({"n1": ("train", 4.0, 4.0), "n2": ("train", 4.0, 4.0)})
    ]
    volume = {"node": "volume/data", "resource": STORAGE}
    for hour in range(HOURS):
        span = {"start_s": START_S + hour * HOUR_S, "end_s": START_S + (hour + 1) * HOUR_S}
        rows.append(UsageRow(**span, **volume, capacity=9.0, billed_micro=MICRO))
        rows.append(UsageRow(**span, **volume, job="not measured", allocated=9.0, used=float("nan")))
    assert report(tmp_path, sorted(rows, key=lambda row: (row.start_s, row.node))).advice == ()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False))
def test_all_pieces_of_a_pool_save_no_more_than_it_costs(tmp_path_factory, random: Random) -> None:
    """Whatever the fleet: idle, sizes, shared GPUs and spot together, and by the hour the bill of the pool."""
    nodes, jobs, usage = {}, {}, {}
    for at in range(random.randint(1, 6)):
        pool = random.choice(["train", "serve"])
        given_ = random.choice([0.0, 1.0, 4.0])
        usage[f"n{at}"] = (pool, given_, given_ * random.random())
        seen = {"gpus": random.choice([0.0, 1.0, 1.0]), "gpu_utilization": random.random() / 2}
        price = random.choice([1.0, 3.0])  # as now; the bill was of a dollar
        nodes[f"n{at}"] = (
            NODE
            | seen
            | {"group": pool, "price_per_hour": price, "gpu_memory_utilization": random.random() / 2}
        )
        for number in range(random.choice([0, 1, 1, 1, 2])):
            jobs[f"j{at}-{number}"] = JOB | {
                "node": f"n{at}", "gpus": seen["gpus"], "checkpointable": random.random() < 0.8, "cores": random.choice([0.5, 1.0]),
            }  # fmt: skip
    rows = [replace(row, instance_type="p4d", purchase_option="on_demand") for row in hours(usage)]
    samples = {"node": nodes, "job": jobs, "spot_market": {"m": {"instance_type": "p4d", "discount": 0.6}}}
    found = report(tmp_path_factory.mktemp("pools"), rows, samples, AdviceRules(share_blocks_min=20))
    costs = {
        key[0]: int(micro)
        for key, micro in zip(
            found.figures.breakdowns["pool"].keys, found.figures.breakdowns["pool"].cost_micro(), strict=True
        )
    }
    for pool, micro in costs.items():
        pieces = [one.saving_per_hour.amount for one in found.advice if one.target == pool]
        assert sum(pieces) <= micro / MICRO / HOURS * (1 + 1e-9)
        assert min(pieces, default=0.0) >= 0
