"""The column engine equals a naive row-by-row interpreter, whatever the condition and the world."""

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from tests.evaluate.one import policy_set, truths_of
from tests.naive.interpreter import Naive
from tests.naive.texts import truths, worlds
from tests.naive.world import World

RANDOM = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CLAUSES = ("", " stale after 2m", " coverage 100%", " stale after 30s coverage 0%")


@RANDOM
@given(st.lists(truths("thing", 3), min_size=1, max_size=3), st.sampled_from(CLAUSES), worlds())
def test_the_engine_equals_the_naive_interpreter(conditions: list[str], more: str, world: World) -> None:
    """Several policies at once, so that shared nodes are covered; two of them differ in what is stale only."""
    clauses = [f"target thing when {one}{more if place == 0 else ''}" for place, one in enumerate(conditions)]
    compiled = policy_set(*clauses, f"target thing when {conditions[0]}")
    for place, one in enumerate(compiled.compiled):
        policy = one.policy
        naive = Naive(world, policy.stale_s, Fraction(policy.coverage))
        expected = [naive.truth(policy.when.expression, row) for row in world.kinds["thing"]]
        assert truths_of(compiled, world, place) == expected


@RANDOM
@given(truths("thing", 3), worlds(), st.data())
def test_the_order_of_rows_does_not_matter(text: str, world: World, data: DataObject) -> None:
    """Rows come in whatever order a source lists them."""
    compiled = policy_set(f"target thing when {text}")
    order = {kind: data.draw(st.permutations(range(len(rows)))) for kind, rows in world.kinds.items()}
    before = truths_of(compiled, world)
    after = truths_of(compiled, world.shuffled(order))
    assert after == [before[row] for row in order["thing"]]
