"""What an action would do to a row: from its declared effect to a target state, with the saving.

Relative amounts become target states here, before any intent is written. Counts that come out fractional are
rounded up: the side that takes less away, whether the action shrinks or grows.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from scrimp.evaluate import value_text
from scrimp.model.catalogue import ActionSpec, Assign, Direction, NoEffect, Resize
from scrimp.model.decision import PlannedAction, Value
from scrimp.model.money import Money

RowReader = Callable[[str], Value]  # field name -> its value now, None where unknown
_NOISE = 1e-9  # relative: 10 * 1.1 is 11, not 12


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """Why an action could not be planned: something is unknown, or the action's own `unless` forbids it."""

    reason: str
    forbidden: bool = False


def plan_action(
    spec: ActionSpec,
    target: str,
    args: Mapping[str, Value],
    read: RowReader,
    currency: str,
    *,
    by_is_share: bool = False,
) -> PlannedAction | NotPlanned:
    """The action as a target state.

    `target` is "kind/name"; `args` are the evaluated parameters, `None` where unknown; `by_is_share` says that `by`
    was written as a ratio.
    """
    for name, value in args.items():
        if value is None:
            return NotPlanned(f"`{name}` of {spec.name} is unknown")
    if spec.unless is not None:
        forbidden = read(spec.unless)
        if forbidden is None:
            return NotPlanned(
                f"`{spec.unless}` is unknown, and {spec.name} must not touch what is {spec.unless}"
            )
        if forbidden:
            return NotPlanned(f"the target is {spec.unless}", forbidden=True)
    effect = spec.effect_on(target.partition("/")[0])
    if isinstance(effect, Resize):
        return _resize(spec, effect, target, args, read, currency, by_is_share=by_is_share)
    if isinstance(effect, Assign):
        return _assign(spec, effect, target, args, read, currency)
    assert isinstance(effect, NoEffect)
    return _planned(spec, target, args, {}, {}, Money(0.0, currency), spec.direction, 0.0)


def round_up(value: float) -> float:
    """The least whole number that is not below `value`, up to floating-point noise."""
    return float(math.ceil(value - _NOISE * max(1.0, abs(value))))


def _resize(
    spec: ActionSpec,
    effect: Resize,
    target: str,
    args: Mapping[str, Value],
    read: RowReader,
    currency: str,
    *,
    by_is_share: bool,
) -> PlannedAction | NotPlanned:
    before = read(effect.field)
    if not isinstance(before, float):
        return NotPlanned(f"`{effect.field}` is unknown")
    wanted = round_up(_wanted_size(effect, args, before, by_is_share=by_is_share))
    after = _within_bounds(effect, wanted, before, args, read)
    price = read(effect.price_field) if effect.price_field else None
    saving = Money((before - after) * price, currency) if isinstance(price, float) else None
    direction = spec.direction
    if direction is Direction.BY_SIGN:
        direction = Direction.REDUCE if after < before else Direction.RESTORE
    return _planned(
        spec,
        target,
        args,
        {effect.field: before},
        {effect.field: after},
        saving,
        direction,
        abs(after - before),
    )


def _wanted_size(effect: Resize, args: Mapping[str, Value], before: float, *, by_is_share: bool) -> float:
    to, by = args.get("to"), args.get("by")
    if isinstance(to, float):
        return to
    assert isinstance(by, float)
    step = before * by if by_is_share else by
    return before + (effect.sign or 1) * step


def _within_bounds(
    effect: Resize, wanted: float, before: float, args: Mapping[str, Value], read: RowReader
) -> float:
    """Clamp to the row's bounds and to the parameter's, then keep to the action's own direction."""
    low = [effect.lowest]
    high = []
    if effect.minimum_field and isinstance(least := read(effect.minimum_field), float):
        low.append(least)
    if effect.maximum_field and isinstance(most := read(effect.maximum_field), float):
        high.append(most)
    bound = args.get(effect.bound) if effect.bound else None
    if isinstance(bound, float):
        (low if effect.bound == "floor" else high).append(bound)
    after = max([min([wanted, *high]), *low])
    if effect.sign < 0:
        return min(after, before)
    return max(after, before) if effect.sign > 0 else after


def _assign(
    spec: ActionSpec, effect: Assign, target: str, args: Mapping[str, Value], read: RowReader, currency: str
) -> PlannedAction | NotPlanned:
    before = read(effect.field)
    if effect.asked_field and (noted := read(effect.asked_field)) not in (None, asked := _asked(spec, args)):
        now, then = ({effect.field: before, effect.asked_field: text} for text in (noted, asked))
        return _planned(spec, target, args, now, then, Money(0.0, currency), spec.direction, 0.0)
    known = (value for field in effect.from_fields if (value := read(field)) is not None)
    after = next(known, None) if effect.from_fields else effect.value
    if after is None:
        return NotPlanned(f"`{effect.from_fields[-1]}` is unknown")
    saving = _assigned_saving(effect, read)
    numbers = isinstance(before, float) and isinstance(after, float)
    change = abs(after - before) if numbers else 1.0  # type: ignore[operator]
    now, then = {effect.field: before}, {effect.field: after}
    if effect.open_field and isinstance(parts := read(effect.open_field), float):
        now, then = (
            ({**now, effect.open_field: parts}, {**then, effect.open_field: 0.0}) if parts else (then, then)
        )
    money = None if saving is None else Money(saving, currency)
    planned = _planned(spec, target, args, now, then, money, spec.direction, change)
    age_s = read(effect.age) if effect.age and money is not None else None
    return replace(planned, price_age_s=age_s) if isinstance(age_s, float) else planned


def _asked(spec: ActionSpec, args: Mapping[str, Value]) -> str:
    """The arguments as a policy writes them, in the order in which they are declared."""
    given = [(param, args[param.name]) for param in spec.params if param.name in args]
    return f"({', '.join(f'{param.name} = {value_text(value, param.types[0])}' for param, value in given)})"


def _assigned_saving(effect: Assign, read: RowReader) -> float | None:
    """`plus - minus`, where a side that is not declared counts nothing, times `times_field`."""
    if effect.plus is None and effect.minus is None:
        return None
    plus = read(effect.plus) if effect.plus else 0.0
    minus = read(effect.minus) if effect.minus else 0.0
    discount = read(effect.discount) if effect.discount else None
    if isinstance(discount, float):
        if isinstance(plus, float) and minus is None:
            minus = plus * (1.0 - discount)
        elif isinstance(minus, float) and plus is None:
            plus = minus * (1.0 - discount)
    times = read(effect.times_field) if effect.times_field else 1.0
    if isinstance(plus, float) and isinstance(minus, float) and isinstance(times, float):
        return (plus - minus) * times
    return None


def _planned(
    spec: ActionSpec,
    target: str,
    args: Mapping[str, Value],
    before: Mapping[str, Value],
    after: Mapping[str, Value],
    saving: Money | None,
    direction: Direction,
    change: float,
) -> PlannedAction:
    if "to" in args or "by" in args:  # what is asked for from here on is the target state
        args = {name: value for name, value in args.items() if name not in ("to", "by")}
        args = {"to": next(iter(after.values())), **args} if after else args
    return PlannedAction(
        action=spec.name,
        target=target,
        args=args,
        writes=spec.writes,
        direction=direction,
        before=before,
        after=after,
        saving_per_hour=saving,
        change=change,
        disruption=spec.disruption,
        one_off_cost=spec.one_off_cost,
    )


def changes_nothing(actions: tuple[PlannedAction, ...]) -> bool:
    """Whether there is something that these actions write, and all of it is there already."""
    writing = [action for action in actions if action.after]
    return bool(writing) and all(action.before == action.after for action in writing)


def total_saving(actions: tuple[PlannedAction, ...]) -> Money | None:
    """The saving per hour of all of them; `None` where one is unknown."""
    total: Money | None = None
    for action in actions:
        if action.saving_per_hour is None:
            return None
        total = action.saving_per_hour if total is None else total + action.saving_per_hour
    return total


def undo_action(
    inverse: ActionSpec, act: PlannedAction, read: RowReader, currency: str
) -> PlannedAction | NotPlanned:
    """What restores the value from before `act`, by `inverse` and so in its direction only."""
    effect = inverse.effect_on(act.target.partition("/")[0])
    if isinstance(effect, Resize):
        return plan_action(inverse, act.target, {"to": act.before[effect.field]}, read, currency)
    if isinstance(effect, Assign) and effect.from_fields:
        field, value = effect.field, act.before.get(effect.field)
        if value is None:
            return NotPlanned(f"`{field}` from before the act is unknown")
        before = read(field)
        return _planned(
            inverse, act.target, {"to": value}, {field: before}, {field: value}, None, inverse.direction, 1.0
        )
    return plan_action(inverse, act.target, {}, read, currency)
