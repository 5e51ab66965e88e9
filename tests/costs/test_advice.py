"""Advice: it names what stands idle by the marks it is given, never promises more than is spent, and its policies check."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checking import check_texts
from tests.costs.fleets import fleets, price_books

from scrimp.costs import BillShares, group_costs, split_costs
from scrimp.costs.advice import Marks, capped, share_advice, size_advice, spot_advice, usage_advice
from scrimp.costs.colocate import Sharing
from scrimp.costs.sizing import MIB, SizeRules, size_for
from scrimp.model.costs import PriceBook
from scrimp.model.money import Money
from scrimp.model.usage import CPU, GPU, MEMORY, RESOURCES, STORAGE, UsageRow, usage_table

MARKS = {resource: Marks(0.5, 0.9) for resource in RESOURCES}
HOSTILE = 'a"b\\c\nd {} // é'


def groups(*by, pool="train", used=1.0, option="on_demand"):
    rows = []
    for resource in (GPU, CPU, MEMORY, STORAGE):
        row = UsageRow(0, 3600, "n", pool, "p4d", option, resource=resource)
        rows += [
            replace(row, capacity=4.0, billed_micro=8_000_000),
            replace(row, job="j", allocated=4.0, used=used),
        ]
    return group_costs(split_costs(usage_table(rows), PriceBook({}), BillShares()), by)


def accepts(text):
    """`scrimp check --strict` has nothing to say of it."""
    _, found = check_texts([text])
    assert not found, (text, [one.message for one in found])


def every(pool):
    size = size_for(np.full(400, 800.0 * MIB), 8 * 86_400, SizeRules())
    few = size_for(np.full(40, 800.0 * MIB), 8 * 86_400, SizeRules())
    return [
        *usage_advice(groups("pool", "resource", pool=pool), 1, MARKS),
        *usage_advice(groups("pool", "resource", pool=pool, used=3.9), 1, MARKS),
        *spot_advice(groups("pool", "instance_type", "purchase_option", pool=pool), 1, {"p4d": 0.6}, {pool}),
        share_advice(pool, Sharing(((0, 1), (2,)), 3), Money(4, "USD")),
        size_advice(pool, size, 2000 * MIB, Money(1, "USD")),
        size_advice(pool, few, 2000 * MIB, Money(1, "USD")),
    ]


@pytest.mark.parametrize("pool", ["train", "a-b.c/1", HOSTILE])
def test_every_piece_comes_with_a_policy_that_checks(pool):
    found = every(pool)
    assert {one.kind for one in found} == {"idle", "overloaded", "spot", "share", "size"}
    for one in found:
        accepts(one.policy)


def test_every_resource_is_judged_by_the_mark_it_is_given():
    found = usage_advice(groups("pool", "resource"), 1, MARKS, target="pool")
    assert {one.resource: one.kind for one in found} == dict.fromkeys(RESOURCES, "idle")
    # Used 25 %, mark 50 %: half of $8.
    assert all(one.saving_per_hour.amount == pytest.approx(4.0) for one in found)
    assert usage_advice(groups("pool", "resource"), 1, {GPU: Marks(0.2, 0.9)}) == ()
    (busy,) = usage_advice(groups("pool", "resource"), 1, {GPU: Marks(0.1, 0.2)})
    assert (busy.kind, busy.saving_per_hour.amount) == ("overloaded", 0.0)


def test_a_mark_stands_in_its_policy():
    (one,) = usage_advice(groups("pool", "resource"), 1, {CPU: Marks(0.375, 0.9)})
    assert "avg(cpu_utilization) over 1h < 37.5%" in one.policy


def test_spot_is_advised_where_work_bears_interruption_and_the_discount_is_known():
    by = ("pool", "instance_type", "purchase_option")
    (one,) = spot_advice(groups(*by), 2, {"p4d": 0.6}, {"train"})
    assert one.saving_per_hour.amount == pytest.approx(32 * 0.6 / 2)
    assert spot_advice(groups(*by), 1, {"p4d": 0.6}, set()) == ()
    assert spot_advice(groups(*by), 1, {}, {"train"}) == ()
    assert spot_advice(groups(*by, option="spot"), 1, {"p4d": 0.6}, {"train"}) == ()


def test_a_size_without_enough_data_says_so_and_promises_nothing():
    few = size_for(np.full(40, 800.0 * MIB), 86_400, SizeRules())
    found = size_advice("mel", few, 2000 * MIB, Money(5, "USD"))
    assert found.message.startswith("not enough data on mel")
    assert "at least 840 MiB (with 33% confidence" in found.message
    assert found.saving_per_hour.amount == 0.0
    assert size_advice("mel", few, 100 * MIB, Money(5, "USD")) is None


@settings(deadline=None)
@given(fleets(), price_books(), st.floats(0.01, 1.0))
def test_savings_never_pass_what_is_spent(usage, prices, idle):
    """The loudest joke of cost tools: more savings than the bill."""
    found = group_costs(split_costs(usage, prices, BillShares()), ("pool", "resource"))
    marks = {resource: Marks(idle, 2.0) for resource in RESOURCES}
    spend = {}
    for key, cost in zip(found.keys, found.cost_micro().tolist(), strict=True):
        spend[key] = max(0, cost) / 1e6
    for one in usage_advice(found, 1, marks):
        assert (
            one.saving_per_hour.amount <= spend[one.target, one.resource, one.saving_per_hour.currency] + 1e-6
        )


def test_the_sum_of_all_advice_is_cut_at_the_spend():
    pieces = every("train")
    found = capped(pieces, Money(10, "USD"))
    assert sum(one.saving_per_hour.amount for one in found) == pytest.approx(10)
    assert len(found) == len(pieces)
    with pytest.raises(ValueError, match="EUR"):
        capped(pieces, Money(10, "EUR"))
