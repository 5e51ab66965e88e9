"""`history/rollup.py`: from samples to usage."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.history.fleets import HOUR_S, recorded, snapshot

from scrimp.costs import BillShares, split_costs
from scrimp.history import NOT_MEASURED, UNATTRIBUTED, Folder, Span, roll_hour
from scrimp.history.columns import read_pieces, usage_of, with_currency
from scrimp.history.keeper import Keeper, rolled_part, unrolled_hours
from scrimp.history.rollup import Rolled
from scrimp.model.costs import PriceBook

GIB = 2**30
MICRO = 1_000_000


def rolled(root: Path, every_s: float = 60.0, ticks: int = 60, **kinds: Any) -> Rolled:
    folder = recorded(root, [snapshot(HOUR_S + every_s * n, **kinds) for n in range(ticks)], every_s)
    return rolled_part(folder, Span(HOUR_S, HOUR_S + 3600))


def cells(found: Rolled, **wanted: str) -> list[dict[str, Any]]:
    return [row for row in found.usage.to_pylist() if all(row[key] == value for key, value in wanted.items())]


def bill(found: Rolled) -> int:
    return sum(row["billed_micro"] for row in found.usage.to_pylist())


def test_a_machine_alone_is_billed_and_its_use_is_unattributed(tmp_path: Path) -> None:
    host = {"h": {"price_per_hour": 0.4, "cores": 4, "cpu_utilization": 0.25}}
    found = rolled(tmp_path, node=host)
    assert bill(found) == 400_000
    (charge,) = cells(found, resource="cpu", job="")
    (work,) = cells(found, resource="cpu", job=UNATTRIBUTED)
    assert charge["capacity"] == pytest.approx(4)
    assert (work["allocated"], work["used"]) == (pytest.approx(1), pytest.approx(1))


def test_jobs_take_their_part_and_the_rest_stays_unattributed(tmp_path: Path) -> None:
    host = {"h": {"price_per_hour": 0.4, "cores": 4, "cpu_utilization": 0.5}}
    job = {
        "node": "h",
        "group": "g",
        "operation": "mel",
        "cores": 2,
        "cores_used": 1.5,
        "labels": {"team": "audio"},
    }
    found = rolled(tmp_path, node=host, job={"j": job})
    (row,) = cells(found, job="j", resource="cpu")
    assert (row["allocated"], row["used"]) == (pytest.approx(2), pytest.approx(1.5))
    assert (row["operation"], row["team"], row["pool"]) == ("mel", "audio", "g")
    assert cells(found, job=UNATTRIBUTED)[0]["used"] == pytest.approx(0.5)


def test_unknown_use_is_not_idle(tmp_path: Path) -> None:
    found = rolled(tmp_path, node={"h": {"price_per_hour": 1.0, "cores": 4}})
    (row,) = cells(found, job=NOT_MEASURED)
    assert row["allocated"] == pytest.approx(4)
    assert row["used"] != row["used"]


def test_a_local_group_is_not_billed_beside_its_machine(tmp_path: Path) -> None:
    """Its workers run on the node, whose bill has it all."""
    found = rolled(
        tmp_path,
        node={"h": {"price_per_hour": 1.0, "cores": 4}},
        node_group={"g": {"size": 2, "price_per_hour": 0.25}},
        job={"j": {"node": "h", "group": "g", "cores_used": 1.0}},
        pool={"g": {"size": 4, "price_per_hour": 0.25, "resource": "cpu"}},
    )
    assert bill(found) == MICRO


def test_groups_pools_volumes_and_lone_jobs_are_billed_once(tmp_path: Path) -> None:
    found = rolled(
        tmp_path,
        node_group={"train": {"size": 3, "price_per_hour": 2.0, "gpu_utilization": 0.5}},
        pool={
            "train": {"size": 3, "price_per_hour": 9.0},
            "disk": {"size": 10, "price_per_hour": 0.1, "resource": "storage"},
        },
        volume={"v": {"size_bytes": 100 * GIB, "used": 25 * GIB, "price_per_hour": 0.01}},
        job={"far": {"cost_rate": 0.5}, "near": {"group": "train", "gpus": 1, "gpus_used": 0.75}},
    )
    assert bill(found) == 6 * MICRO + MICRO + 10_000 + 500_000
    assert cells(found, job="near")[0]["node"] == "node_group/train"
    assert cells(found, job=UNATTRIBUTED, resource="gpu")[0]["used"] == pytest.approx(1.5 - 0.75)


def test_time_without_ticks_is_not_billed(tmp_path: Path) -> None:
    """The daemon did not run for half of the hour: nothing is known of it."""
    times = [HOUR_S + 30.0 * n for n in range(120) if not 30 <= n < 90]
    folder = recorded(
        tmp_path, [snapshot(at, node={"h": {"price_per_hour": 1.0, "cores": 1}}) for at in times]
    )
    found = rolled_part(folder, Span(HOUR_S, HOUR_S + 3600))
    assert bill(found) == pytest.approx(500_000, abs=10_000)


def test_hours_add_up_across_their_border(tmp_path: Path) -> None:
    """The sample before the border holds beyond it."""
    times = [HOUR_S + 47.0 * n for n in range(160)]
    folder = recorded(tmp_path, [snapshot(at, node={"h": {"price_per_hour": 3.6}}) for at in times], 47.0)
    parts = [bill(rolled_part(folder, Span(HOUR_S + 3600 * n, HOUR_S + 3600 * (n + 1)))) for n in range(3)]
    assert sum(parts) == pytest.approx(160 * 47 * 1000, abs=3)


def test_an_hour_rolled_up_again_replaces_the_first(tmp_path: Path) -> None:
    folder = recorded(
        tmp_path, [snapshot(HOUR_S + 60.0 * n, node={"h": {"price_per_hour": 1.0}}) for n in range(60)], 60.0
    )
    hour = HOUR_S // 3600
    for _ in range(3):
        roll_hour(folder, hour, "USD")
    found = [one for path in folder.files("usage") for one in read_pieces(path, Span(0, 2e9))]
    assert sum(int(one.billed_micro.sum()) for one in found) == MICRO


def test_the_keeper_rolls_what_an_earlier_run_left(tmp_path: Path) -> None:
    folder = recorded(
        tmp_path, [snapshot(HOUR_S + 60.0 * n, node={"h": {"price_per_hour": 1.0}}) for n in range(90)], 60.0
    )
    now_s = HOUR_S + 5400.0
    assert unrolled_hours(folder, now_s) == {HOUR_S // 3600, HOUR_S // 3600 + 1}
    Keeper(folder)(now_s)
    assert unrolled_hours(folder, now_s) == {HOUR_S // 3600 + 1}


price = st.floats(0.01, 100)
share = st.none() | st.floats(0, 1)
NODES = st.dictionaries(
    st.sampled_from("abcde"),
    st.fixed_dictionaries(
        {
            "price_per_hour": price,
            "cores": st.none() | st.integers(1, 96),
            "cpu_utilization": share,
            "gpus": st.none() | st.integers(0, 8),
            "gpu_utilization": share,
        }
    ),
    min_size=1,
)
JOBS = st.dictionaries(
    st.sampled_from("vwxyz"),
    st.fixed_dictionaries(
        {
            "node": st.sampled_from("abcdef"),
            "cores": st.none() | st.floats(0.1, 64),
            "cores_used": st.none() | st.floats(0, 64),
            "gpus": st.none() | st.integers(0, 4),
            "cost_rate": st.none() | price,
        }
    ),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nodes=NODES, jobs=JOBS)
def test_the_four_parts_are_the_bill_of_any_fleet(tmp_path_factory, nodes, jobs) -> None:
    """Whatever is known or not, used + idle + overhead is what the nodes (and jobs that run elsewhere) cost."""
    found = rolled(tmp_path_factory.mktemp("fleet"), 900.0, 4, node=nodes, job=jobs)
    costs = split_costs(usage_of(with_currency(found.usage, "USD")), PriceBook({}), BillShares())
    elsewhere = [
        one["cost_rate"] for one in jobs.values() if one["node"] not in nodes and one["cost_rate"] is not None
    ]
    wanted = [one["price_per_hour"] for one in nodes.values()] + elsewhere
    assert int(costs.cost_micro().sum()) == bill(found)
    assert bill(found) == pytest.approx(sum(wanted) * MICRO, abs=len(wanted))


def test_the_policy_in_force_is_named(tmp_path: Path) -> None:
    """Rows of a target bear the policy whose episode it is in."""
    episodes = pa.table({"target": ["node/h"], "policy": ["shrink"]})
    folder: Folder = recorded(tmp_path, [snapshot(HOUR_S, node={"h": {"price_per_hour": 1.0}})])
    from scrimp.history.rollup import roll_up  # noqa: PLC0415

    found = roll_up(folder, Span(HOUR_S, HOUR_S + 3600), episodes)
    assert {row["policy"] for row in found.usage.to_pylist()} == {"shrink"}
