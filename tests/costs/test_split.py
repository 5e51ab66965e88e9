"""Every bill is split so that its parts add up to it, exactly, whatever the fleet, the prices, the filter or the grouping."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.costs.fleets import fleets, price_books

from scrimp.costs import (
    PERIOD,
    BillShares,
    device_shares,
    group_costs,
    groupings,
    merge_groups,
    select,
    split_costs,
)
from scrimp.model.costs import PARTS, PriceBook, PriceVector
from scrimp.model.usage import CPU, DIMENSIONS, GPU, MEMORY, NODE, OTHER, Period, UsageRow, usage_table

relaxed = settings(deadline=None)  # a busy machine is no failure

SHARES = BillShares()
NO_PRICES = PriceBook({})


def bills(usage):
    """What was billed, by currency, in plain Python."""
    found = defaultdict(int)
    for currency, billed in zip(usage.currency.texts(), usage.billed_micro.tolist(), strict=True):
        found[currency] += billed
    return found


@relaxed
@given(fleets(), price_books(), st.sets(st.sampled_from(DIMENSIONS)))
def test_the_four_parts_add_to_the_bill_under_any_grouping(usage, prices, by):
    costs = split_costs(usage, prices, SHARES)
    groups = group_costs(costs, tuple(by))
    found = defaultdict(int)
    for key, cost in zip(groups.keys, groups.cost_micro().tolist(), strict=True):
        found[key[-1]] += cost
    assert found == bills(usage)


@relaxed
@given(
    fleets(),
    price_books(),
    st.sampled_from(DIMENSIONS),
    st.sets(st.sampled_from(["a", "b", "", "spot", GPU, "n1"])),
)
def test_a_filter_and_its_complement_add_to_the_bill(usage, prices, name, wanted):
    costs = split_costs(usage, prices, SHARES)
    hit = select(usage, {name: wanted})
    assert hit.tolist() == [text in wanted for text in usage.dimension(name).texts()]
    both = [group_costs(costs.take(rows), ()) for rows in (hit, ~hit)]
    found = merge_groups(both)
    assert dict(zip((key[-1] for key in found.keys), found.cost_micro().tolist(), strict=True)) == bills(
        usage
    )


@relaxed
@given(fleets(), price_books())
def test_the_parts_of_each_period_of_a_node_add_to_its_own_bill(usage, prices):
    """Nothing leaks from one node or hour to another."""
    costs = split_costs(usage, prices, SHARES)
    found = defaultdict(lambda: [0, 0])
    columns = zip(
        usage.start_s.tolist(),
        usage.node.texts(),
        usage.currency.texts(),
        usage.billed_micro.tolist(),
        costs.cost_micro().tolist(),
        strict=True,
    )
    for start, node, currency, billed, cost in columns:
        found[start, node, currency][0] += billed
        found[start, node, currency][1] += cost
    assert all(billed == cost for billed, cost in found.values())


@relaxed
@given(fleets(), price_books())
def test_no_part_has_another_sign_than_the_bills(usage, prices):
    """Rounding never makes a credit of a cost: with bills that are not negative, neither is any part."""
    positive = np.flatnonzero(usage.billed_micro < 0)
    if not len(positive):
        costs = split_costs(usage, prices, SHARES)
        assert all((costs.part(name) >= 0).all() for name in PARTS)


@relaxed
@given(fleets(), price_books())
def test_who_pays_which_part(usage, prices):
    """Work pays for what it used and held, the owner of the machines for what nobody was given."""
    costs = split_costs(usage, prices, SHARES)
    charge = usage.is_charge()
    assert not costs.used_micro[charge].any()
    assert not costs.workload_idle_micro[charge].any()
    assert not costs.pool_idle_micro[~charge].any()
    assert not costs.overhead_micro[~charge].any()


@relaxed
@given(fleets(), price_books(), st.randoms(use_true_random=False))
def test_pieces_add_to_the_whole(usage, prices, random):
    """A table of any size is split node-hour by node-hour, and the sums are those of the whole."""
    owners = [*zip(usage.start_s.tolist(), usage.node.texts(), usage.currency.texts(), strict=True)]
    left = {owner for owner in owners if random.random() < 0.5}
    first = np.array([owner in left for owner in owners], dtype=bool)
    by = ("operation", "resource")
    pieces = [group_costs(split_costs(usage.take(rows), prices, SHARES), by) for rows in (first, ~first)]
    whole = group_costs(split_costs(usage, prices, SHARES), by)
    merged = merge_groups(pieces)
    assert merged.keys == whole.keys
    assert all(merged.part(name).tolist() == whole.part(name).tolist() for name in PARTS)
    assert merged.used == pytest.approx(whole.used)


@relaxed
@given(fleets(), st.lists(st.sets(st.sampled_from((*DIMENSIONS, PERIOD))), max_size=3))
def test_groups_are_those_of_a_row_by_row_sum(usage, wanted):
    """Also where a period leaves rows out, and whatever is grouped beside."""
    costs = split_costs(usage, NO_PRICES, SHARES)
    starts = sorted(set(usage.start_s.tolist()))
    periods = [Period(start, start + 1, f"p{start}") for start in starts[::2]] or [Period(0, 1)]
    labels = {one.start_s: one.label for one in periods}
    texts = {name: usage.dimension(name).texts() for name in DIMENSIONS}
    texts[PERIOD] = [labels.get(start, "") for start in usage.start_s.tolist()]
    for by, found in zip(wanted, groupings(costs, [tuple(by) for by in wanted], periods), strict=True):
        naive = Counter()
        for row in range(len(usage)):
            if PERIOD not in by or texts[PERIOD][row]:
                naive[tuple(texts[name][row] for name in found.by)] += int(costs.cost_micro()[row])
        assert dict(zip(found.keys, found.cost_micro().tolist(), strict=True)) == dict(naive)
        assert list(found.keys) == sorted(found.keys)


def hour(**row):
    return UsageRow(0, 3600, node="n", **row)


def parts_of(rows, prices=NO_PRICES):
    """Parts by (job, resource), those that are not 0."""
    usage = usage_table(rows)
    costs = split_costs(usage, prices, SHARES)
    keys = [*zip(usage.job.texts(), usage.resource.texts(), strict=True)]
    return {
        (*key, name): value
        for name in PARTS
        for key, value in zip(keys, costs.part(name).tolist(), strict=True)
        if value
    }


def test_a_quarter_of_a_gpu_pays_a_quarter():
    """The loudest complaint about cost tools: a quarter of a GPU billed whole."""
    found = parts_of(
        [
            hour(resource=GPU, capacity=1.0, billed_micro=4_000_000),
            hour(resource=GPU, job="j", allocated=0.25, used=0.1),
        ]
    )
    assert found == {
        ("j", GPU, "used"): 400_000,
        ("j", GPU, "workload_idle"): 600_000,
        ("", GPU, "pool_idle"): 3_000_000,
    }


def test_a_machine_without_prices_is_split_by_shares_of_the_bill():
    rows = [
        hour(resource=NODE, billed_micro=1_000_000),
        hour(resource=GPU, capacity=8.0),
        hour(resource=CPU, capacity=96.0),
        hour(resource=MEMORY, capacity=1000.0),
    ]
    assert parts_of(rows) == {
        ("", GPU, "pool_idle"): 950_000,
        ("", CPU, "pool_idle"): 30_000,
        ("", MEMORY, "pool_idle"): 20_000,
    }
    assert parts_of([rows[0], *rows[2:]]) == {
        ("", CPU, "pool_idle"): 600_000,
        ("", MEMORY, "pool_idle"): 400_000,
    }


def test_a_price_vector_is_rescaled_to_the_bill():
    prices = PriceBook({"x": PriceVector("USD", {CPU: 0.03, MEMORY: 0.01}, "catalogue")})
    rows = [
        hour(resource=NODE, billed_micro=500_000, instance_type="x"),
        hour(resource=CPU, capacity=4.0, instance_type="x"),
        hour(resource=MEMORY, capacity=8.0, instance_type="x"),
    ]
    assert parts_of(rows, prices) == {("", CPU, "pool_idle"): 300_000, ("", MEMORY, "pool_idle"): 200_000}


def test_more_given_than_there_is_shares_what_there_is():
    found = parts_of(
        [
            hour(resource=CPU, capacity=4.0, billed_micro=900),
            hour(resource=CPU, job="a", allocated=4.0, used=2.0),
            hour(resource=CPU, job="b", allocated=2.0, used=2.0),
        ]
    )
    assert found == {("a", CPU, "used"): 300, ("a", CPU, "workload_idle"): 300, ("b", CPU, "used"): 300}


def test_who_takes_more_than_asked_for_pays_for_it():
    found = parts_of(
        [
            hour(resource=CPU, capacity=4.0, billed_micro=400),
            hour(resource=CPU, job="a", allocated=1.0, used=3.0),
        ]
    )
    assert found == {("a", CPU, "used"): 300, ("", CPU, "pool_idle"): 100}


def test_usage_that_nobody_measured_is_never_called_idle():
    found = parts_of(
        [
            hour(resource=CPU, capacity=2.0, billed_micro=200),
            hour(resource=CPU, job="a", allocated=1.0, used=float("nan")),
        ]
    )
    assert found == {("a", CPU, "used"): 100, ("", CPU, "pool_idle"): 100}


def test_what_buys_no_capacity_is_overhead():
    found = parts_of(
        [
            hour(resource=OTHER, billed_micro=70),
            hour(resource=CPU, capacity=10.0, allocated=1.0, billed_micro=100),
        ]
    )
    assert found == {("", OTHER, "overhead"): 70, ("", CPU, "overhead"): 10, ("", CPU, "pool_idle"): 90}
    assert parts_of([hour(resource=NODE, billed_micro=50)]) == {("", NODE, "overhead"): 50}


def test_a_sharer_of_a_gpu_takes_the_larger_of_compute_and_memory():
    gib = 2.0**30
    shares = device_shares(
        np.array([0.1, 0.5, 0.9, 0.6]),
        np.array([40, 10, 0, 60]) * gib,
        np.full(4, 80 * gib),
        np.array([0, 0, 1, 1]),
    )
    assert shares.tolist() == pytest.approx([0.5, 0.5, 0.9 / 1.65, 0.75 / 1.65])
