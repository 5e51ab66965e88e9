"""Spot in reports: pools whose work can be interrupted, at the discount that the samples of spot markets know."""

from pathlib import Path
from typing import Any

import pytest
from tests.policies import checked
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour, sampled

from scrimp.history import Span
from scrimp.model.usage import MICRO, Period
from scrimp.reports import Ask, Report, document, make_report, page, text

NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
NOW_S = START_S + 6.0 * HOUR_S
NODES = {"n1": {"group": "train"}, "n2": {"group": "train"}, "n3": {"group": "serve"}}
JOB = {"node": "n1", "checkpointable": True}
MARKET = {"instance_type": "p4d", "zone": "a", "discount": 0.6}


def report(
    root: Path,
    jobs: dict[str, dict[str, Any]],
    markets: dict[str, dict[str, Any]],
    option: str = "on_demand",
    where: dict[str, tuple[str, ...]] | None = None,
) -> Report:
    """Six hours of two p4d of `train` and one of `serve`, at two dollars each."""
    made = history(
        root,
        [
            row
            for hour in range(6)
            for name, one in NODES.items()
            for row in node_hour(
                START_S + hour * HOUR_S,
                name,
                2 * MICRO,
                pool=one["group"],
                instance_type="p4d",
                purchase_option=option,
            )
        ],
    )
    kinds = {"node": NODES, "job": jobs, "spot_market": markets}
    sampled(
        made.folder,
        {START_S + hour * 3600.0: {kind: rows for kind, rows in kinds.items() if rows} for hour in range(6)},
    )
    return make_report(made, Ask.of(NOVEMBER, where=where, marks={"cpu": (0.0, 1.0)}), NOW_S)


def spot(found: Report) -> dict[str, float]:
    pieces = [one for one in found.advice if one.kind == "spot"]
    for one in pieces:
        assert checked(one.policy).policies
    return {one.target: round(one.saving_per_hour.amount, 6) for one in pieces}


@pytest.mark.parametrize(
    ("jobs", "markets", "option", "expected"),
    [
        ({"a": JOB}, {"m": MARKET}, "on_demand", {"train": 2.4}),
        ({"a": JOB, "b": JOB | {"node": "n3"}}, {"m": MARKET}, "on_demand", {"train": 2.4, "serve": 1.2}),
        ({"a": JOB | {"node": "", "group": "serve"}}, {"m": MARKET}, "on_demand", {"serve": 1.2}),
        ({"a": JOB}, {"m": MARKET, "k": MARKET | {"discount": 0.2}}, "on_demand", {"train": 1.6}),
        (
            {"a": JOB},
            {"m": {"instance_type": "p4d", "price_per_hour": 1.0, "on_demand_price": 4.0}},
            "on_demand",
            {"train": 3.0},
        ),
        ({"a": JOB}, {"m": MARKET | {"instance_type": "g5"}}, "on_demand", {}),
        ({"a": JOB}, {"m": MARKET}, "spot", {}),
        (
            {"a": JOB | {"critical": True}, "b": JOB | {"node": "n3"}},
            {"m": MARKET},
            "on_demand",
            {"serve": 1.2},
        ),
        (
            {"a": JOB | {"state": "failed"}, "b": JOB | {"node": "n3"}},
            {"m": MARKET},
            "on_demand",
            {"serve": 1.2},
        ),
    ],
)
def test_pools_of_interruptible_work_by_the_known_discount(
    tmp_path: Path, jobs, markets, option, expected
) -> None:
    found = report(tmp_path, jobs, markets, option)
    assert spot(found) == expected
    assert not [line for line in found.lacking if line.startswith("spot")]
    if expected:
        assert "runs p4d on demand: spot is" in text(found)
        assert "switch_to_spot" in page(found)
        assert {one["kind"] for one in document(found)["currencies"][0]["advice"]} == {"spot"}


@pytest.mark.parametrize(
    ("jobs", "markets", "line"),
    [
        ({"a": JOB}, {}, "spot: not enough data: no discounts of spot markets in this period"),
        (
            {"a": JOB | {"checkpointable": False}},
            {"m": MARKET},
            "spot: not enough data: no pool whose jobs all say that they are checkpointable",
        ),
        ({}, {"m": MARKET}, "spot: not enough data: no pool whose jobs all say that they are checkpointable"),
    ],
)
def test_what_lacks_is_told_in_a_line(tmp_path: Path, jobs, markets, line) -> None:
    found = report(tmp_path, jobs, markets)
    assert spot(found) == {}
    assert line in found.lacking
    assert max(len(one) for one in text(found).splitlines()) <= 80


def test_of_a_part_of_the_costs_nothing_is_said(tmp_path: Path) -> None:
    found = report(tmp_path, {"a": JOB}, {"m": MARKET}, where={"pool": ("train",)})
    assert (found.advice, found.lacking) == ((), ())


def test_a_market_counts_alike_however_often_it_was_sampled(tmp_path: Path) -> None:
    made = history(tmp_path, [])
    sampled(
        made.folder,
        {
            START_S + tick * 60.0: {
                "spot_market": {"m": MARKET, **({"k": MARKET | {"discount": 0.2}} if tick == 0 else {})}
            }
            for tick in range(5)
        },
    )
    assert made.discounts(Span(START_S, START_S + 300.0)) == {"p4d": pytest.approx(0.4)}
