"""Two policies whose effects switch each other on: oscillation, with the state in which it begins.

What is tried out is a steady world. A window has its field's value. A field that the catalogue declares `per` another
one shares out what it measures: half the members are twice as busy. All else stays as it is. Unknown, holds and guards
are left out of account, and cooldowns only bound how fast it goes: a pair is reported if the second policy can follow
while the first still cools, or if nothing cools at all.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, product

from msgspec import Struct

from scrimp.check.cost import operands_of
from scrimp.check.facts import branches, constraints, facts_of, key_of, shown, state_of
from scrimp.check.pairs import MOST_PAIRS, conditions_of
from scrimp.check.report import Report
from scrimp.check.trial import STEADY, Trial, Value, on_trial
from scrimp.model.catalogue import Assign, Catalogue, FieldSpec, NoEffect, Resize
from scrimp.model.decision import Mode
from scrimp.model.expression import Expression, Field, Window
from scrimp.model.policy import ActionCall, Policy
from scrimp.model.types import COUNT

# Sizes and shares that are tried: few, for pairs are many, and thresholds are seldom closer than these.
_SIZES = (2.0, 4.0, 8.0, 10.0, 32.0)
_STEPS = 8
_BESIDE = (0.98, 1.0, 1.02)
_MOST_TRIALS = 2000
_SHOWN = 3  # values of an example beside those that move
_NOISE = 1e-9

State = Mapping[str, Value]


class _Side(Struct, frozen=True):
    """A policy and its act that writes the field in question."""

    policy: Policy
    act: ActionCall
    effect: Resize | Assign
    conditions: tuple[Trial, ...]
    args: Mapping[str, Trial]

    @classmethod
    def of(cls, policy: Policy, act: ActionCall, effect: Resize | Assign) -> "_Side":
        """Made ready for trials."""
        conditions = tuple(on_trial(one) for one in conditions_of(policy))
        return cls(policy, act, effect, conditions, {name: on_trial(arg) for name, arg in act.args.items()})

    def on(self, state: State) -> bool:
        """Whether the policy is true."""
        return all(condition(state) is True for condition in self.conditions)

    @property
    def delay_s(self) -> float:
        """How long it takes at least until the policy acts on what changed."""
        windows = (window.over_s for one in conditions_of(self.policy) for window in _windows(one))
        return self.policy.when.for_s + min(windows, default=0.0)

    @property
    def cooldown_s(self) -> float:
        """How long the policy leaves a target alone."""
        return max((one.seconds for one in self.policy.cooldowns), default=0.0)


def check_swings(policies: Sequence[tuple[Policy, Report]], catalogue: Catalogue) -> None:
    """Report each pair once, in the file of the policy that comes later."""
    groups: dict[str, list[tuple[Policy, Report]]] = {}
    for policy, report in policies:
        if policy.mode is not Mode.OFF:
            groups.setdefault(policy.kind, []).append((policy, report))
    pairs = (pair for group in groups.values() for pair in islice(combinations(group, 2), MOST_PAIRS))
    for (one, _), (other, report) in pairs:  # a circle can be entered anywhere: one order will do
        found = next((text for a, b in _sides(one, other) if (text := _swing(a, b, catalogue))), "")
        if found:
            report.warning(
                "SCR308",
                f"`{one.name}` and `{other.name}` can switch each other on",
                other.when.expression.span,
                hint=f"{found}: move their thresholds apart",
            )


def _sides(one: Policy, other: Policy) -> Iterator[tuple[_Side, _Side]]:
    """The acts of both that write one field in different directions."""
    for act, rival in product(one.do, other.do):
        effect, reply = act.spec.effect_on(one.kind), rival.spec.effect_on(one.kind)
        if isinstance(effect, NoEffect) or isinstance(reply, NoEffect):
            continue
        if effect.field == reply.field and _opposed(effect, reply):
            yield _Side.of(one, act, effect), _Side.of(other, rival, reply)


def _opposed(effect: Resize | Assign, reply: Resize | Assign) -> bool:
    """Whether the one can take back what the other does."""
    if isinstance(effect, Resize) and isinstance(reply, Resize):
        return effect.sign != reply.sign or effect.sign == 0
    return not (isinstance(effect, Assign) and isinstance(reply, Assign) and effect.value == reply.value)


def _swing(first: _Side, second: _Side, catalogue: Catalogue) -> str:
    """How the one leads to the other and back, as text; empty if it does not."""
    follows = second.delay_s <= first.cooldown_s or first.delay_s <= second.cooldown_s
    if not follows and first.cooldown_s + second.cooldown_s > 0:
        return ""
    kind = catalogue.kinds[first.policy.kind]
    field = kind.fields.get(first.effect.field)
    if field is None:
        return ""
    movable = [field, *(spec for spec in kind.fields.values() if spec.per == field.name)]
    read = [[spec for spec in movable if _reads(side.policy, spec)] for side in (first, second)]
    if not all(read):
        return ""  # what the one does cannot change what the other sees
    shared = [spec for spec in movable[1:] if spec in read[0] or spec in read[1]]
    for state, given in _states(first, second, field, shared, catalogue):
        if not first.on(state) or second.on(state):
            continue
        after = _after(first, state, field, shared)
        if after is None or first.on(after) or not second.on(after):
            continue
        back = _after(second, after, field, shared)
        if back is not None and first.on(back):
            begin, then, again = (
                _told(one, field, shared, first.policy.kind) for one in (state, after, back)
            )
            return (
                f"with {' and '.join((begin, *given))}, `{first.policy.name}` leads to {then}, then "
                f"`{second.policy.name}` to {again}"
            )
    return ""


def _states(
    first: _Side, second: _Side, field: FieldSpec, shared: Sequence[FieldSpec], catalogue: Catalogue
) -> Iterator[tuple[State, Sequence[str]]]:
    """Values to try: some for the moving fields, one that suits both conditions for each other term, told in words."""
    kind = first.policy.kind
    moving = {_key(kind, spec) for spec in (field, *shared)}

    def moves(term: Expression) -> bool:
        inner = term.field if isinstance(term, Window) and term.fn in STEADY else term
        return isinstance(inner, Field) and key_of(inner) in moving

    tried = 0
    for branch in branches((*conditions_of(first.policy), *conditions_of(second.policy))):
        facts = facts_of(branch, catalogue, moves)
        if facts is None:
            continue
        rest = {
            key: value
            for key, (term, allowed) in facts.items()
            if (value := allowed.sample(whole=term.type == COUNT)) is not None
        }
        given = [said for term, allowed in facts.values() if (said := state_of(term, allowed))][:_SHOWN]
        keys = [_key(kind, spec) for spec in (field, *shared)]
        for values in product(
            _tried(field, (first, second), catalogue), *(_shares(spec, (first, second)) for spec in shared)
        ):
            tried += 1
            if tried > _MOST_TRIALS:
                return
            moved = dict(zip(keys, values, strict=True))
            yield {**rest, **moved}, given


def _tried(field: FieldSpec, sides: Sequence[_Side], catalogue: Catalogue) -> Sequence[Value]:
    """Values of the field that is written."""
    if field.type.is_number:
        beside = {value + step for value in _thresholds(field, sides) for step in (-1.0, 0.0, 1.0)}
        return sorted({*_SIZES, *(value for value in beside if value > 0)})
    words: set[Value] = {
        side.effect.value
        for side in sides
        if isinstance(side.effect, Assign) and side.effect.value is not None
    }
    key = _key(sides[0].policy.kind, field)
    for side in sides:
        for branch in branches(conditions_of(side.policy)):
            facts = facts_of(branch, catalogue)
            if facts is not None and key in facts and (word := facts[key][1].sample(whole=False)) is not None:
                words.add(word)
    return sorted(words, key=str)


def _shares(spec: FieldSpec, sides: Sequence[_Side]) -> Sequence[float]:
    """Values just beside the thresholds, where a small step leads across; and a few others."""
    high = 1.0 if spec.maximum is None else spec.maximum
    found = {high * (step + 0.5) / _STEPS for step in range(_STEPS)}
    found |= {value * beside for value in _thresholds(spec, sides) for beside in _BESIDE}
    return sorted(value for value in found if 0 < value <= high)


def _thresholds(spec: FieldSpec, sides: Sequence[_Side]) -> Iterator[float]:
    """What the field is compared with."""
    for side in sides:
        for branch in branches(conditions_of(side.policy)):
            for term, _, values in (one for part in branch for one in constraints(part)):
                inner = term.field if isinstance(term, Window) else term
                if isinstance(inner, Field) and inner.name == spec.name:
                    yield from (float(value.value) for value in values)


def _after(side: _Side, state: State, field: FieldSpec, shared: Sequence[FieldSpec]) -> State | None:
    """The state after the act; `None` if it is not known, or changes nothing."""
    kind = side.policy.kind
    before = state[_key(kind, field)]
    effect = side.effect
    if isinstance(effect, Assign):
        if effect.value is None or effect.value == before:
            return None
        return {**state, _key(kind, field): effect.value}
    if not isinstance(before, float):
        return None
    size = _resized(side, effect, before, state)
    if size is None or size == before or size <= 0:
        return None
    after = {**state, _key(kind, field): size}
    for spec in shared:
        share = state[_key(kind, spec)]
        assert isinstance(share, float)
        most = math.inf if spec.maximum is None else spec.maximum
        after[_key(kind, spec)] = min(share * before / size, most)
    return after


def _resized(side: _Side, effect: Resize, before: float, state: State) -> float | None:
    """The size that an act leads to, as planning rounds it; bounds of the row are not known here."""
    args = {name: arg(state) for name, arg in side.args.items()}
    to, by = args.get("to"), args.get("by")
    if isinstance(to, float):
        wanted = to
    elif isinstance(by, float):
        step = before * by if side.act.args["by"].type.ratio else by
        wanted = before + (effect.sign or 1) * step
    else:
        return None
    size = float(math.ceil(wanted - _NOISE * max(1.0, abs(wanted))))
    bound = args.get(effect.bound) if effect.bound else None
    if isinstance(bound, float):
        size = max(size, bound) if effect.bound == "floor" else min(size, bound)
    if effect.sign < 0:
        return min(size, before)
    return max(size, before) if effect.sign > 0 else size


def _told(state: State, field: FieldSpec, shared: Sequence[FieldSpec], kind: str) -> str:
    said = [f"`{spec.name}` = {_near(state[_key(kind, spec)], spec)}" for spec in (field, *shared)]
    return " and ".join(said)


def _near(value: Value, spec: FieldSpec) -> str:
    return shown(round(value, 3) if isinstance(value, float) else value, spec.type)


def _key(kind: str, spec: FieldSpec) -> str:
    return f"{kind}[None].{spec.name} self"


def _reads(policy: Policy, spec: FieldSpec) -> bool:
    """Whether a condition of the policy rests on the field of its target."""
    terms = (term for one in conditions_of(policy) for term in _fields(one))
    return any(term.name == spec.name and term.scope == "self" and term.row is None for term in terms)


def _fields(expression: Expression) -> Iterator[Field]:
    if isinstance(expression, Field):
        yield expression
    elif isinstance(expression, Window):
        yield expression.field
    else:
        for operand in operands_of(expression):
            yield from _fields(operand)


def _windows(expression: Expression) -> Iterator[Window]:
    if isinstance(expression, Window):
        yield expression
    for operand in operands_of(expression):
        yield from _windows(operand)
