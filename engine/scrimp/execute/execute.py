"""A tick's acts: targets side by side in a bounded pool, one target's acts in order."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from scrimp.api import Provider
from scrimp.execute.act import Actor
from scrimp.execute.calls import ExecuteSettings
from scrimp.execute.journal import Journal, Outcome
from scrimp.model.decision import Decision, PlannedAction, Value, Verdict
from scrimp.model.expression import Const
from scrimp.model.policy import Policy
from scrimp.plan import intent_on_failure, intents_of


def execute(
    decisions: Sequence[Decision],
    policies: Mapping[str, Policy],
    providers: Sequence[Provider],
    journal: Journal,
    now_s: float,
    sleep: Callable[[float], None],
    settings: ExecuteSettings | None = None,
    halted: Callable[[], bool] = lambda: False,
) -> tuple[Outcome, ...]:
    """Carry out what is to be done of a tick at `now_s`; the outcomes are in the order of the decisions.

    `halted` is asked before each decision's acts: the kill switch stops what of a tick has not begun.
    Decisions other than act and undo are left alone. Those merged into another policy's are noted only, after it.
    Raises what the journal raises, and begins nothing more then.
    """
    actor = Actor(providers, journal, settings or ExecuteSettings(), sleep)
    due = [one for one in decisions if one.verdict in (Verdict.ACT, Verdict.UNDO)]
    lanes: dict[str, list[Decision]] = {}
    for decision in sorted(due, key=lambda one: one.merged_into is not None):
        lanes.setdefault(decision.target, []).append(decision)
    broken = threading.Event()

    def run(lane: Sequence[Decision]) -> list[tuple[Decision, tuple[Outcome, ...]]]:
        done: list[tuple[Decision, tuple[Outcome, ...]]] = []
        for decision in lane:
            if broken.is_set() or halted():
                break
            policy = policies[decision.policy]
            try:
                if decision.merged_into is None:
                    outcomes = _carry_out(actor, decision, policy, now_s)
                else:
                    carried = [
                        one for other, found in done if other.policy == decision.merged_into for one in found
                    ]
                    outcomes = _note_merged(actor, decision, policy, now_s, carried)
            except BaseException:
                broken.set()
                raise
            done.append((decision, outcomes))
        return done

    with ThreadPoolExecutor(max_workers=actor.settings.parallel, thread_name_prefix="scrimp-act") as pool:
        found = {
            id(decision): outcomes for lane in pool.map(run, lanes.values()) for decision, outcomes in lane
        }
    return tuple(outcome for decision in due for outcome in found.get(id(decision), ()))


def _carry_out(actor: Actor, decision: Decision, policy: Policy, now_s: float) -> tuple[Outcome, ...]:
    """The actions in order; the first that is not done stops the rest and is followed by `on failure`."""
    outcomes = []
    for intent in intents_of(decision, policy, now_s):
        outcome = actor.act(intent, decision.values)
        outcomes.append(outcome)
        if outcome.outcome != "done":
            if outcome.outcome == "failed" and policy.on_failure is not None:
                outcomes.append(_on_failure(actor, decision, policy, now_s, outcome))
            break
    return tuple(outcomes)


def _on_failure(actor: Actor, decision: Decision, policy: Policy, now_s: float, cause: Outcome) -> Outcome:
    call = policy.on_failure
    assert call is not None
    args: dict[str, Value] = {
        name: value.value for name, value in call.args.items() if isinstance(value, Const)
    }
    action = PlannedAction(
        call.spec.name,
        decision.target,
        args,
        None,
        call.spec.direction,
        {},
        {},
        None,
        disruption=call.spec.disruption,
    )
    intent = intent_on_failure(action, decision, policy, now_s)
    values: dict[str, Value] = {"failed": cause.intent.action.action, "cause": cause.detail}
    if len(args) == len(call.args) and call.spec.writes is None:
        return actor.act(intent, values)
    actor.journal.record_intent(intent, values)
    reason = f"`on failure` can do only what writes nothing, with constants: `{call.text}`"
    return actor.settle(Outcome(intent, "refused", reason, code="SCR702"))


def _note_merged(
    actor: Actor, decision: Decision, policy: Policy, now_s: float, carried: Sequence[Outcome]
) -> tuple[Outcome, ...]:
    """Note that another policy's act was this one's too; it counts, cools down and opens an episode if it was done."""
    outcomes = []
    for intent in intents_of(decision, policy, now_s):
        same = next((one for one in carried if one.intent.action == intent.action), None)
        done = same is not None and same.outcome == "done"
        detail = f"merged into {decision.merged_into}: {same.detail if same else 'not carried out'}"
        actor.journal.record_intent(intent, decision.values)
        outcome = Outcome(intent, "merged" if done else "refused", detail, same.after if same else {})
        outcomes.append(actor.settle(replace(outcome)))
    return tuple(outcomes)
