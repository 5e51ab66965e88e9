"""Cost per item: by what work was recorded, and silent where none was."""

import numpy as np
import pytest

from scrimp.costs import BillShares, group_costs, split_costs, unit_costs
from scrimp.model.costs import PriceBook
from scrimp.model.money import Money
from scrimp.model.usage import GPU, Period, UsageRow, WorkTable, categorical, usage_table


def spend():
    rows = []
    for start in (0, 3600):
        rows += [
            UsageRow(start, start + 3600, node="n", resource=GPU, capacity=4.0, billed_micro=4_000_000),
            UsageRow(
                start, start + 3600, node="n", job="a", operation="mel", resource=GPU, allocated=2, used=1
            ),
            UsageRow(
                start, start + 3600, node="n", job="b", operation="cut", resource=GPU, allocated=1, used=1
            ),
        ]
    return split_costs(usage_table(rows), PriceBook({}), BillShares())


def work(rows):
    starts, operations, units, quantities = zip(*rows, strict=True)
    none = categorical([""] * len(rows))
    start_s = np.array(starts, dtype=np.int64)
    return WorkTable(
        start_s,
        start_s + 3600,
        none,
        categorical(operations),
        none,
        categorical(units),
        np.array(quantities, float),
    )


def test_a_thousand_samples_cost_what_was_spent_on_them():
    done = work([(0, "mel", "samples", 1500), (3600, "mel", "samples", 500), (0, "mel", "audio_hours", 8)])
    found = unit_costs(group_costs(spend(), ("operation",)), done, per={"samples": 1000})
    assert [(one.key, one.unit, one.cost, one.used) for one in found] == [
        (("mel",), "samples", Money(pytest.approx(2.0), "USD"), Money(pytest.approx(1.0), "USD")),
        (("mel",), "audio_hours", Money(pytest.approx(0.5), "USD"), Money(pytest.approx(0.25), "USD")),
    ]


def test_unit_costs_by_period_use_the_work_of_that_period():
    periods = (Period(0, 3600, "p1"), Period(3600, 7200, "p2"))
    done = work([(0, "mel", "samples", 1), (3600, "mel", "samples", 4), (9000, "mel", "samples", 9)])
    found = unit_costs(group_costs(spend(), ("operation",), periods), done, per={}, periods=periods)
    assert {one.key: one.cost.amount for one in found} == {("p1", "mel"): 2.0, ("p2", "mel"): 0.5}


def test_no_work_means_no_unit_cost_rather_than_an_infinite_one():
    found = unit_costs(group_costs(spend(), ("operation",)), work([(0, "mel", "samples", 0)]), per={})
    assert found == ()
