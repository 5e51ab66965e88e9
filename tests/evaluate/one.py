"""Policies over the small catalogue of `tests.naive`, from their clauses."""

from tests.naive.world import CATALOGUE, World

from scrimp.check import check_files
from scrimp.compile import PolicySet, compile_set
from scrimp.diagnostics import Source, render_text
from scrimp.evaluate import Evaluation, at, evaluate
from scrimp.lang import parse
from scrimp.model.catalogue import Catalogue
from scrimp.model.expression import Expression
from scrimp.model.ledger import EMPTY_LEDGER, Ledger


def policy_set(*clauses: str, do: str = "note()", catalogue: Catalogue = CATALOGUE) -> PolicySet:
    """Policies over `thing`, each given by its clauses from `target` on."""
    text = "scrimp 1\n" + "\n".join(
        f'policy p{place} {{ "d" owner "o" mode enforce {one} do {do} }}' for place, one in enumerate(clauses)
    )
    file, wrong = parse(Source("a.scrimp", text))
    checked, found = check_files([file], catalogue.with_actions(CATALOGUE.actions))
    assert checked is not None, render_text([*wrong, *found], colour=False)
    return compile_set(checked)


def evaluation(compiled: PolicySet, world: World, ledger: Ledger = EMPTY_LEDGER) -> Evaluation:
    """One tick."""
    return evaluate(compiled, world.snapshot(), ledger, world.now_s)


def condition(compiled: PolicySet, place: int = 0) -> Expression:
    """The `when` of one policy."""
    return compiled.compiled[place].policy.when.expression


def truths_of(compiled: PolicySet, world: World, place: int = 0) -> list[object]:
    """What the engine says of the `when` of one policy, row by row."""
    one = compiled.compiled[place]
    found = evaluation(compiled, world).frame.run(one.node(one.policy.when.expression))
    return [at(found, row) for row in range(len(world.kinds["thing"]))]
