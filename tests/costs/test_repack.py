"""What proposals would really save: nodes that come free, never more than is spent, shared out to the last millionth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.costs.repack import PackJob, PackNode, freed_nodes, freed_per_hour, price_proposals, share_out
from scrimp.model.money import Money
from scrimp.model.usage import MICRO

relaxed = settings(deadline=None)


def node(name, cpu=4.0, price=1.0):
    return PackNode(name, {"cpu": cpu}, Money(price, "USD"))


def job(name, at, cpu, **more):
    return PackJob(name, at, {"cpu": cpu}, **more)


def test_a_smaller_request_saves_nothing_while_its_node_is_needed():
    nodes = [node("a"), node("b")]
    assert freed_nodes(nodes, [job("x", "a", 3), job("y", "b", 3)]) == ()
    assert freed_nodes(nodes, [job("x", "a", 3), job("y", "b", 1)]) == ("b",)


def test_the_dearest_for_its_work_is_given_back_first_and_fixed_work_stays():
    nodes = [node("a", price=1.0), node("b", price=9.0)]
    jobs = [job("x", "a", 1), job("y", "b", 1)]
    assert freed_nodes(nodes, jobs) == ("b",)
    assert freed_nodes(nodes, [jobs[0], job("y", "b", 1, fixed=True)]) == ("a",)


FLEETS = st.lists(
    st.tuples(st.floats(1, 16), st.floats(0, 5), st.lists(st.floats(0.1, 8), max_size=4)), max_size=6
)


@relaxed
@given(FLEETS)
def test_what_is_saved_is_never_more_than_is_spent_and_work_that_fitted_still_does(fleet):
    nodes = [node(f"n{at}", cpu, price) for at, (cpu, price, _) in enumerate(fleet)]
    jobs = [
        job(f"j{at}-{k}", f"n{at}", size)
        for at, (_, _, sizes) in enumerate(fleet)
        for k, size in enumerate(sizes)
    ]
    freed = freed_nodes(nodes, jobs)
    assert 0 <= freed_per_hour(nodes, jobs) <= sum(round(one.price_per_hour.amount * MICRO) for one in nodes)
    left = [one for one in nodes if one.name not in freed]
    assert (
        not freed
        or sum(one.asks["cpu"] for one in jobs)
        <= sum(max(one.offers["cpu"], sum(j.asks["cpu"] for j in jobs if j.node == one.name)) for one in left)
        + 1e-6
    )


@relaxed
@given(st.lists(st.integers(0, 10**9), max_size=6), st.integers(0, 10**9), st.integers(0, 99))
def test_shares_add_to_the_worth_of_the_set(amounts, cap, seed):
    def worth(chosen):
        return min(cap, sum(amounts[at] for at in chosen))

    shares = share_out(worth, len(amounts), np.random.default_rng(seed), orders=7)
    assert sum(shares) == worth(frozenset(range(len(amounts))))
    assert all(0 <= share <= amount for share, amount in zip(shares, amounts, strict=True))


def test_two_that_only_work_together_share_alike():
    shares = share_out(lambda chosen: 100 if len(chosen) == 2 else 0, 2, np.random.default_rng(1), orders=400)
    assert sum(shares) == 100
    assert abs(shares[0] - shares[1]) < 20


@relaxed
@given(FLEETS, st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(0, 99))
def test_proposals_are_worth_no_more_than_what_they_free_together(fleet, parts, seed):
    """Whatever the greedy packing does: no share is negative, and what is free anyway is in none."""
    nodes = [node(f"n{at}", cpu, price) for at, (cpu, price, _) in enumerate(fleet)]
    jobs = [
        job(f"j{at}-{k}", f"n{at}", size)
        for at, (_, _, sizes) in enumerate(fleet)
        for k, size in enumerate(sizes)
    ]
    proposals = [
        {one.name: {"cpu": part * one.asks["cpu"]} for one in jobs[at :: len(parts)]}
        for at, part in enumerate(parts)
    ]
    shares = price_proposals(nodes, jobs, proposals, np.random.default_rng(seed), 5)
    smaller = [
        job(one.name, one.node, one.asks["cpu"] * parts[at % len(parts)]) for at, one in enumerate(jobs)
    ]
    assert min(shares) >= 0
    assert sum(shares) == max(0, freed_per_hour(nodes, smaller) - freed_per_hour(nodes, jobs))


def test_what_is_free_without_a_proposal_is_not_its_merit():
    nodes = [node("a"), node("b"), node("c")]
    jobs = [job("x", "a", 3), job("y", "b", 0.5), job("z", "c", 3)]
    rng = np.random.default_rng(0)
    assert price_proposals(nodes, jobs, [{"x": {"cpu": 3.0}}], rng) == (0,)
    assert price_proposals(nodes, jobs, [{"x": {"cpu": 0.5}}, {"y": {"cpu": 4.0}}], rng) == (MICRO, 0)
    assert price_proposals(nodes, jobs, [], rng) == ()
