"""Which conditions tests have seen true, false and unknown."""

from collections.abc import Iterator
from dataclasses import dataclass

from scrimp.compile import CompiledPolicy, PolicySet
from scrimp.evaluate import Frame, explain
from scrimp.model.expression import Expression
from scrimp.model.ledger import Ledger
from scrimp.model.snapshot import Snapshot

TRUTHS = (True, False, None)


@dataclass(frozen=True, slots=True)
class Covered:
    """One comparison or truth of a policy's clause, and as what it was never seen: true, false, unknown."""

    policy: str
    clause: str
    text: str
    never: tuple[bool | None, ...]


class Coverage:
    """Gathers what conditions are, tick by tick.

    A condition under `when` is asked of targets that match `target where` for sure, one under `undo when` of those
    with an open episode: elsewhere nothing depends on it. `E is known` is never unknown, and is not wanted to be.
    """

    def __init__(self) -> None:
        self._left: dict[tuple[str, str, str], set[bool | None]] = {}
        self._wanted: dict[tuple[str, str, str], int] = {}

    def look(self, policies: PolicySet, snapshot: Snapshot, ledger: Ledger) -> None:
        """One tick, before what it does."""
        frame = Frame(snapshot, snapshot.at_s)
        for compiled in policies.compiled:
            for row, name in enumerate(snapshot.tables[compiled.policy.kind].names):
                episode = (compiled.policy.name, f"{compiled.policy.kind}/{name}", False) in ledger.episodes
                self._row(compiled, frame, row, episode=episode)

    def _row(self, compiled: CompiledPolicy, frame: Frame, row: int, *, episode: bool) -> None:
        matches: bool | None = True
        for clause, expression in _clauses(compiled):
            found = explain(compiled, frame, expression, row)
            asked = episode if clause == "undo when" else matches is True
            for one in found.clauses:
                wanted = TRUTHS[:2] if one.certain else TRUTHS
                left = self._left.setdefault((compiled.policy.name, clause, one.text), set(wanted))
                self._wanted[compiled.policy.name, clause, one.text] = len(wanted)
                if asked:
                    left.discard(one.truth)
            if clause == "target where":
                matches = found.truth

    def conditions(self) -> tuple[Covered, ...]:
        """All that was asked, in the order of policies and clauses."""
        return tuple(
            Covered(policy, clause, text, tuple(truth for truth in TRUTHS if truth in left))
            for (policy, clause, text), left in self._left.items()
        )

    def share(self) -> float:
        """Of all that the conditions can be, the part that was seen; 1 where there is no condition."""
        wanted = sum(self._wanted.values())
        return 1.0 - sum(len(left) for left in self._left.values()) / wanted if wanted else 1.0


def _clauses(compiled: CompiledPolicy) -> Iterator[tuple[str, Expression]]:
    policy = compiled.policy
    if policy.where is not None:
        yield "target where", policy.where
    yield "when", policy.when.expression
    if policy.undo is not None:
        yield "undo when", policy.undo.expression
