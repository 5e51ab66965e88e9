"""The column engine equals a naive row-by-row interpreter, whatever the condition and the world."""

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from tests.naive.interpreter import Naive
from tests.naive.texts import truths, worlds
from tests.naive.world import CATALOGUE, World

from scrimp.check import check_files
from scrimp.compile import PolicySet, compile_set
from scrimp.diagnostics import Source, render_text
from scrimp.evaluate import at, evaluate
from scrimp.lang import parse
from scrimp.model.ledger import EMPTY_LEDGER

SLOW = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def policy_set(*clauses: str) -> PolicySet:
    """Policies over `thing`, each given by its clauses from `target` on."""
    text = "scrimp 1\n" + "\n".join(
        f'policy p{place} {{ "d" owner "o" mode enforce {one} do note() }}'
        for place, one in enumerate(clauses)
    )
    file, wrong = parse(Source("a.scrimp", text))
    checked, found = check_files([file], CATALOGUE)
    assert checked is not None, render_text([*wrong, *found], colour=False)
    return compile_set(checked)


def truths_of(compiled: PolicySet, place: int, world: World) -> list[object]:
    """What the engine says of the `when` of one policy, row by row."""
    frame = evaluate(compiled, world.snapshot(), EMPTY_LEDGER, world.now_s).frame
    one = compiled.compiled[place]
    found = frame.run(one.node(one.policy.when.expression))
    return [at(found, row) for row in range(len(world.kinds["thing"]))]


CLAUSES = ("", " stale after 2m", " coverage 100%", " stale after 30s coverage 0%")


@SLOW
@given(st.lists(truths("thing", 3), min_size=1, max_size=3), st.sampled_from(CLAUSES), worlds())
def test_the_engine_equals_the_naive_interpreter(conditions: list[str], more: str, world: World) -> None:
    """Several policies at once, so that shared nodes are covered too; `more` differs between two of them."""
    clauses = [f"target thing when {one}{more if place == 0 else ''}" for place, one in enumerate(conditions)]
    compiled = policy_set(*clauses, f"target thing when {conditions[0]}")
    for place, one in enumerate(compiled.compiled):
        policy = one.policy
        naive = Naive(world, policy.stale_s, Fraction(policy.coverage))
        expected = [naive.truth(policy.when.expression, row) for row in world.kinds["thing"]]
        assert truths_of(compiled, place, world) == expected


@SLOW
@given(truths("thing", 3), worlds(), st.data())
def test_the_order_of_rows_does_not_matter(condition: str, world: World, data: DataObject) -> None:
    """Rows come in whatever order a source lists them."""
    compiled = policy_set(f"target thing when {condition}")
    order = {kind: data.draw(st.permutations(range(len(rows)))) for kind, rows in world.kinds.items()}
    before = truths_of(compiled, 0, world)
    after = truths_of(compiled, 0, world.shuffled(order))
    assert after == [before[at_row] for at_row in order["thing"]]
