"""What tests of store and execute share: acts, decisions and policies in a few words."""

from fractions import Fraction

from scrimp.diagnostics import Source, Span
from scrimp.model.catalogue import ActionSpec, Direction
from scrimp.model.decision import Decision, Mode, PlannedAction, Verdict
from scrimp.model.expression import Const
from scrimp.model.ledger import Intent
from scrimp.model.money import Money
from scrimp.model.policy import ActionCall, Condition, Guards, Policy
from scrimp.model.types import BOOL

AT_S = 1_800_000_000.0
SOURCE = Source("acts.scrimp", "scrimp 1\n")
SPAN = Span(0, 0)


def action(target: str, before: float = 10.0, after: float = 5.0, name: str = "scale_down") -> PlannedAction:
    return PlannedAction(
        name,
        target,
        {"to": after},
        "capacity",
        Direction.REDUCE,
        {"size": before},
        {"size": after},
        Money(3.0 * (before - after), "USD"),
        abs(before - after),
    )


def decision(*actions: PlannedAction, policy: str = "shrink", **more: object) -> Decision:
    given: dict[str, object] = {
        "verdict": Verdict.ACT,
        "mode": Mode.ENFORCE,
        "reason": "idle",
        "values": {"u": 0.1},
    }
    found = {"policy": policy, "target": actions[0].target, "actions": actions, "id": "d1", **given, **more}
    return Decision(**found)  # type: ignore[arg-type]


def intent(key: str, target: str = "node_group/a", at_s: float = AT_S, **more: object) -> Intent:
    found = {"policy": "shrink", "owner": "team", "action": action(target), "decision": "d1", **more}
    return Intent(key=key, at_s=at_s, target=target, **found)  # type: ignore[arg-type]


def policy(name: str = "shrink", on_failure: ActionSpec | None = None) -> Policy:
    text = Const(BOOL, "true", SPAN, value=True)
    failing = None if on_failure is None else ActionCall(on_failure, {}, f"{on_failure.name}()", SPAN)
    return Policy(
        name, "", "team", Mode.ENFORCE, 50, "node_group", None, Condition(text, 0.0, 0.0, "x"), (), failing, None, (),
        "hold", None, None, Fraction(1, 2), (), (), 3600.0, Guards(), SOURCE, SPAN, "digest",
    )  # fmt: skip
