"""Sizes in reports: from block peaks of samples, worth the nodes that come free, and told where samples do not suffice."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.policies import checked
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour, sampled

from scrimp.history import Span
from scrimp.model.usage import MICRO, Period
from scrimp.reports import Ask, Report, document, make_report, page, text
from scrimp.reports.pools import AdviceRules

GIB = float(1 << 30)
NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
NODE = {"group": "train", "price_per_hour": 1.0, "cores": 16.0, "memory_bytes": 64 * GIB}
JOB = {
    "operation": "mel",
    "state": "running",
    "cores": 4.0,
    "memory_limit": 40 * GIB,
    "memory_used": 20 * GIB,
}


def report(
    root: Path,
    days: float = 13,
    spend: float = 1.0,
    node: dict[str, Any] | None = None,
    where: dict[str, tuple[str, ...]] | None = None,
    rules: AdviceRules | None = None,
    **jobs: dict[str, Any],
) -> Report:
    """Two nodes at a dollar an hour with a job each, in hourly ticks; `spend` is what each is billed."""
    made = history(
        root,
        [
            row
            for hour in range(int(days * 24))
            for name in ("n1", "n2")
            for row in node_hour(START_S + hour * HOUR_S, name, round(spend * MICRO), pool="train")
        ],
    )
    work = {
        name: {key: one for key, one in (JOB | more).items() if one is not None}
        for name, more in jobs.items()
    }
    nodes = {name: NODE | (node or {}) for name in ("n1", "n2")}
    sampled(
        made.folder,
        {
            START_S + tick * 3600.0: {
                **({"node": nodes} if tick + 1 == days * 24 else {}),
                **({"job": work} if work else {}),
            }
            for tick in range(int(days * 24))
        },
    )
    ask = Ask.of(NOVEMBER, where=where, marks={"cpu": (0.0, 1.0)})
    if rules is not None:
        ask = replace(ask, advising=rules)
    return make_report(made, ask, START_S + days * DAY_S)


def size(found: Report) -> tuple[str, float]:
    (one,) = (each for each in found.advice if each.kind == "size")
    assert checked(one.policy).policies
    return one.message, one.saving_per_hour.amount


A, B = {"node": "n1"}, {"node": "n2"}


@pytest.mark.parametrize(
    ("a", "b", "saved"),
    [
        ({}, {}, 1.0),
        ({"critical": True}, {}, 1.0),
        ({"critical": True}, {"critical": True}, 0.0),
        ({"cores": None}, {"cores": None}, 0.0),
        ({"cores": 12.0}, {}, 1.0),
        ({"cores": 13.0}, {}, 0.0),
        ({"memory_limit": 30 * GIB}, {"memory_limit": 30 * GIB}, 0.0),
        ({}, {"operation": "mfcc", "memory_used": 30 * GIB}, 1.0),
        ({}, {"operation": "mfcc", "memory_limit": 60 * GIB, "memory_used": 57 * GIB}, 0.0),
    ],
    ids=[
        "both",
        "one stays",
        "both stay",
        "unknown cores",
        "fit",
        "too many cores",
        "fit before",
        "by the other",
        "full",
    ],
)
def test_a_size_is_worth_the_nodes_that_come_free(tmp_path: Path, a, b, saved) -> None:
    """A node that could be freed before, or that must stay, is no saving of a smaller request."""
    found = report(tmp_path, a=A | a, b=B | b)
    mel = [one for one in found.advice if one.kind == "size"]
    assert sum(one.saving_per_hour.amount for one in mel) == pytest.approx(saved)
    assert any(one.message.startswith("mel needs 21504 MiB, not") for one in mel)


def test_what_is_no_job_keeps_its_room(tmp_path: Path) -> None:
    """A node that is used beyond its jobs has less to offer to those of others: 64 GiB less 24, of which 42 are wanted."""
    found = report(tmp_path, a=A, b=B, node={"memory_utilization": 44 / 64})
    assert size(found)[1] == 0.0
    found = report(tmp_path / "less", a=A, b=B, node={"memory_utilization": 41 / 64})
    assert size(found)[1] == pytest.approx(1.0)


def test_a_pool_that_takes_too_much_packing_is_told_and_not_priced(tmp_path: Path) -> None:
    """Two nodes squared, once, for one operation: a bound of 4 lets it be packed, one of 3 does not."""
    found = report(tmp_path, a=A, b=B, rules=AdviceRules(packing_max=3))
    assert size(found)[1] == 0.0
    assert "sizes: not priced in train: 2 nodes are too many to repack" in found.lacking
    found = report(tmp_path / "four", a=A, b=B, rules=AdviceRules(packing_max=4))
    assert size(found)[1] == pytest.approx(1.0)


def test_it_is_never_above_what_is_spent(tmp_path: Path) -> None:
    assert size(report(tmp_path, a=A, b=B, spend=0.25))[1] == pytest.approx(0.5)


def test_too_little_to_go_by_is_a_lower_bound_with_its_confidence(tmp_path: Path) -> None:
    found = report(tmp_path, days=1, a=A, b=B)
    said, saved = size(found)
    assert saved == 0
    assert said.startswith(
        "not enough data on mel (299 peaks and a week): at least 21504 MiB (with 21% confidence"
    )
    assert "(with 21% confidence, of 24 peaks)" in " ".join(text(found).split())
    assert "with 21% confidence" in page(found)


@pytest.mark.parametrize(
    ("jobs", "line"),
    [
        ({}, "sizes: not enough data: no samples of jobs in this period"),
        ({"a": A | {"memory_used": None}}, "sizes: not enough data: no job says operation and memory_used"),
        ({"a": A | {"memory_limit": None}}, "sizes: not enough data: no memory_limit of mel"),
        ({"a": A | {"state": "pending"}}, "sizes: not enough data: no job says operation and memory_used"),
    ],
)
def test_what_lacks_is_told_in_a_line(tmp_path: Path, jobs, line) -> None:
    found = report(tmp_path, days=1, **jobs)
    assert [one for one in found.lacking if one.startswith("sizes")] == [line]
    assert line in text(found)
    assert line in page(found)
    assert line in document(found)["advice_lacking"]
    assert not [one for one in found.advice if one.kind == "size"]


def test_of_a_part_of_the_costs_nothing_is_said(tmp_path: Path) -> None:
    found = report(tmp_path, days=1, where={"team": ("x",)}, a=A)
    assert found.lacking == ()
    assert found.advice == ()


def test_its_form_is_as_the_schema_says_and_80_columns_wide(tmp_path: Path) -> None:
    schema = json.loads(files("scrimp_schemas").joinpath("report.schema.json").read_text("utf-8"))
    found = report(
        tmp_path,
        days=1,
        a=A | {"operation": "a long name of an operation " * 9},
        b=B | {"memory_limit": None, "operation": "x" * 90},
    )
    told = json.loads(json.dumps(document(found), allow_nan=False))
    jsonschema.validate(told, schema, jsonschema.Draft202012Validator)
    assert told["currencies"][0]["advice"][-1]["evidence"]["confidence"] == pytest.approx(1 - 0.99**24)
    assert max(len(line) for line in text(found).splitlines()) <= 80


def test_peaks_are_of_blocks_and_of_the_jobs_that_run(tmp_path: Path) -> None:
    """The highest of any job in a block; what ended is no peak, and a span cuts."""
    made = history(tmp_path, [])
    used = [1.0, 5.0, 2.0, 9.0, 3.0, 4.0]
    sampled(
        made.folder,
        {
            START_S + at * 300.0: {
                "job": {
                    "a": {
                        "operation": "mel",
                        "state": "running",
                        "memory_used": value,
                        "memory_limit": 20.0 - at,
                    },
                    "b": {"operation": "mel", "state": "running", "memory_used": 2.5},
                    "c": {"operation": "mel", "state": "failed", "memory_used": 99.0},
                }
            }
            for at, value in enumerate(used)
        },
    )
    (found,) = made.memory_peaks(Span(START_S, START_S + 1500.0), 600.0) or ()
    assert found.peaks.tolist() == [5.0, 9.0, 3.0]
    assert (found.span_s, found.limit_bytes) == (1200.0, 16.0)
