"""After a choice: is it still right? Drift, then the neighbours only, then change or revert. A pure state machine.

`STAY` (watching) -> alarm, if not cooling -> duels against the neighbours, one after the other (see `duel`) -> a neighbour that
wins becomes the setting, and the next one on that side is tried too; where none wins all is as it was and the cool-down doubles.
Every transition is a function of state and input; the state is plain data and survives restarts as JSON.

INVARIANT: batches tried away from the setting never exceed `RetuneRules.share` of all batches. INVARIANT: no order is outside
the bounds of the goal, or at a size whose forecast memory breaks the reserve or that has failed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf, log
from typing import Any

from scrimp_actions.tuning.arrange import closed
from scrimp_actions.tuning.drift import Cusum, DriftLimits, length_shift, watch
from scrimp_actions.tuning.duel import Duel, DuelRules, Verdict, judge
from scrimp_actions.tuning.goal import Care, Goal, latency_limit_s, worth
from scrimp_actions.tuning.history import Observation, Point, Setting


@dataclass(frozen=True, slots=True)
class RetuneRules:
    """How re-tuning goes: traffic share that may try, batches of a look, first and longest cool-down (seconds), mix of lengths.

    A neighbour has to win by more than 3 % with a one-sided confidence of 97.5 % (two standard errors): `duel`. The newest look
    weighs `recent` in the recent latency: three looks or so count, which follows a drift and not each look. That latency is taken
    `reserve` times before it is reckoned up to a size that was not measured since the drift.
    """

    share: float = 0.05
    look_batches: int = 10
    cool_s: float = 3600.0
    longest_cool_s: float = 14 * 86400.0
    duel: DuelRules = field(default_factory=lambda: DuelRules(margin=0.03, confidence=0.975))
    drift: DriftLimits = field(default_factory=DriftLimits)
    least_lengths: int = 200
    mix_distance: float = 0.2
    recent: float = 0.3
    reserve: float = 1.1


@dataclass(frozen=True, slots=True)
class Retune:
    """All that is remembered. `ahead` are neighbours still to be tried, `tried` those that were, since the alarm.

    `served` and `away` count batches, all and those away from the setting. `tail_s` is the recent tail latency at the setting.
    """

    setting: Setting
    latency: Cusum = field(default_factory=Cusum)
    speed: Cusum = field(default_factory=Cusum)
    lengths: tuple[float, ...] = ()
    newest: tuple[float, ...] = ()
    tail_s: float | None = None
    duel: Duel | None = None
    ahead: tuple[Setting, ...] = ()
    tried: tuple[Setting, ...] = ()
    changed: bool = False
    reverts: int = 0
    cool_until_s: float = 0.0
    served: float = 0.0
    away: float = 0.0
    told: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What the next batches should run at, and why. `probe`: it is not the setting, and counts against the share."""

    setting: Setting
    batches: int
    probe: bool
    why: str


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known and allowed: folded history, the ladder in rising order, the goal."""

    points: Mapping[Setting, Point]
    candidates: Sequence[Setting]
    goal: Goal
    care: Care = field(default_factory=Care)


def order(state: Retune, rules: RetuneRules) -> Order:
    """The next look. A rival waits until the share of the traffic allows it; until then the setting runs."""
    here, duel = state.setting, state.duel
    if duel is None or duel.turn == here:
        return Order(here, rules.look_batches, probe=False, why=state.told or "watching for drift")
    after = state.away + rules.look_batches
    if after > rules.share * (state.served + rules.look_batches):
        why = f"{rules.share:.0%} of the traffic may try other sizes: that is used up for now"
        return Order(here, rules.look_batches, probe=False, why=why)
    return Order(duel.turn, rules.look_batches, probe=True, why=state.told)


def see(state: Retune, look: Observation, ground: Ground, rules: RetuneRules, now_s: float) -> Retune:
    """Add one look. A look at neither the setting nor the rival whose turn it is counts as traffic only."""
    away = look.n if look.setting != state.setting else 0
    state = replace(state, served=state.served + look.n, away=state.away + away)
    rival = state.duel.rival if state.duel is not None else None
    if look.items_per_s <= 0.0 or look.n <= 0 or look.errors > ground.goal.max_error_rate * look.n:
        return _next(state, ground, rules, now_s, "it failed") if look.setting == rival else state
    tail_s = look.tail_s if look.tail_s is not None else look.latency_s
    if look.setting == rival and tail_s > latency_limit_s(ground.goal, look.setting):
        return _next(state, ground, rules, now_s, "it breaks the latency bound")
    if look.setting == state.setting:
        recent = tail_s if state.tail_s is None else state.tail_s + rules.recent * (tail_s - state.tail_s)
        state = replace(state, tail_s=recent)
    if state.duel is not None:
        return _duelled(state, look, ground, rules, now_s) if look.setting == state.duel.turn else state
    return _watched(state, look, ground, rules, now_s) if look.setting == state.setting else state


def give_up(state: Retune, ground: Ground, rules: RetuneRules, now_s: float, why: str) -> Retune:
    """The rival of the duel is out, for a reason that no look tells."""
    return _next(state, ground, rules, now_s, why)


def see_lengths(
    state: Retune, lengths: Sequence[float], ground: Ground, rules: RetuneRules, now_s: float
) -> Retune:
    """Add input lengths; a mix that has moved is an alarm."""
    need = rules.least_lengths
    before = (*state.lengths, *lengths)
    state = replace(
        state, lengths=before[: 2 * need], newest=(*state.newest, *before[2 * need :])[-2 * need :]
    )
    moved = length_shift(state.lengths, state.newest, need, rules.mix_distance)
    if not moved or state.duel is not None or now_s < state.cool_until_s:
        return state
    return _alarm(state, ground, rules, now_s, "the mix of input lengths has moved")


def _watched(state: Retune, look: Observation, ground: Ground, rules: RetuneRules, now_s: float) -> Retune:
    """Both channels: latency up, or speed down."""
    latency, late = watch(state.latency, log(max(look.latency_s, 1e-12)), rules.drift)
    speed, slow = watch(state.speed, -log(look.items_per_s), rules.drift)
    state = replace(state, latency=latency, speed=speed)
    if not (late or slow) or now_s < state.cool_until_s:
        return state
    return _alarm(state, ground, rules, now_s, "latency has risen" if late else "throughput has fallen")


def _alarm(state: Retune, ground: Ground, rules: RetuneRules, now_s: float, why: str) -> Retune:
    """Line up the neighbours; where the bound is broken now, the smaller ones only."""
    state = replace(state, tried=(state.setting,), ahead=(), changed=False, told=why)
    beside = [_step(state.setting, side, state, ground, rules) for side in (-1, 1)]
    return _next(replace(state, ahead=tuple(s for s in beside if s is not None)), ground, rules, now_s)


def _broken(state: Retune, ground: Ground) -> bool:
    """Does the setting break its latency bound now?"""
    return state.tail_s is not None and state.tail_s > latency_limit_s(ground.goal, state.setting)


def _step(at: Setting, side: int, state: Retune, ground: Ground, rules: RetuneRules) -> Setting | None:
    """The next allowed setting below or above, all other axes equal; None: there is none."""
    goal = ground.goal
    shut = closed(ground.candidates, ground.points, goal, ground.care)
    line = sorted(
        setting
        for place, setting in enumerate(ground.candidates)
        if setting[1:] == at[1:]
        and goal.min_batch <= setting.batch <= (goal.max_batch or inf)
        and place not in shut
        and (setting.batch - at.batch) * side > 0
        and setting not in state.tried
    )
    if not line:
        return None
    found = line[0] if side > 0 else line[-1]
    if side > 0 and state.tail_s is not None:
        # At worst it takes as long per item as the setting does now.
        worst_s = state.tail_s * rules.reserve * found.batch / state.setting.batch
        if worst_s > latency_limit_s(goal, found):
            return None
    return found


def _duelled(state: Retune, look: Observation, ground: Ground, rules: RetuneRules, now_s: float) -> Retune:
    """Move the duel on; a decided one makes the rival the setting, or sends it home."""
    assert state.duel is not None
    value = worth(ground.goal, look)
    if value is None:
        return state
    duel = state.duel.seen(value)
    verdict = judge(duel, rules.duel)
    if verdict is Verdict.OPEN:
        return replace(state, duel=duel)
    named = f"batch {duel.rival.batch} against {duel.base.batch}: {duel.gain or 0.0:+.1%}"
    forced = _broken(state, ground) and duel.rival.batch < duel.base.batch
    if verdict is not Verdict.WON and not forced:
        reason = "no gain" if verdict is Verdict.LOST else "no verdict, the spread is too wide"
        return _next(replace(state, duel=None), ground, rules, now_s, f"{named}, {reason}")
    side = 1 if duel.rival.batch > duel.base.batch else -1
    why = (
        f"{named}, won"
        if verdict is Verdict.WON
        else f"{named}, but the present one breaks the latency bound"
    )
    state = replace(
        state,
        setting=duel.rival,
        duel=None,
        changed=True,
        tail_s=look.tail_s if look.setting == duel.rival else None,
        tried=(*state.tried, duel.rival),
        ahead=(),
        told=why,
    )
    further = _step(duel.rival, side, state, ground, rules)
    return _next(replace(state, ahead=() if further is None else (further,)), ground, rules, now_s)


def _next(state: Retune, ground: Ground, rules: RetuneRules, now_s: float, lost: str = "") -> Retune:
    """Begin the duel against the next neighbour, or end the round; `lost` says why the last rival is out."""
    if state.duel is not None:
        lost = f"batch {state.duel.rival.batch}: {lost}"
        state = replace(state, tried=(*state.tried, state.duel.rival), duel=None)
    told = "; ".join(part for part in (state.told, lost) if part)
    broken = _broken(state, ground)
    ahead = [
        s for s in state.ahead if s not in state.tried and not (broken and s.batch > state.setting.batch)
    ]
    if ahead:
        tried = (*state.tried, ahead[0])
        duel = Duel(state.setting, ahead[0])
        return replace(state, duel=duel, ahead=tuple(ahead[1:]), tried=tried, told=told)
    reverts = 0 if state.changed else state.reverts + 1
    cool_s = min(rules.longest_cool_s, rules.cool_s * 2.0 ** min(max(0, reverts - 1), 60))
    end = "the choice has changed" if state.changed else f"reverted; the next round waits {cool_s:.0f} s"
    # What is normal now is learnt anew: the level before the drift would alarm for ever.
    return Retune(
        state.setting,
        lengths=state.newest,
        tail_s=state.tail_s,
        reverts=reverts,
        cool_until_s=now_s + cool_s,
        served=state.served,
        away=state.away,
        told=f"{told}; {end}",
    )


def retune_to_json(state: Retune) -> dict[str, Any]:
    """The state as JSON values."""
    return asdict(state)


def retune_from_json(values: Mapping[str, Any]) -> Retune:
    """The inverse of `retune_to_json`, from what a JSON reader gives."""
    duel = values["duel"]
    given = dict(
        values,
        setting=Setting(*values["setting"]),
        latency=_cusum(values["latency"]),
        speed=_cusum(values["speed"]),
        lengths=tuple(values["lengths"]),
        newest=tuple(values["newest"]),
        duel=None
        if duel is None
        else Duel(Setting(*duel["base"]), Setting(*duel["rival"]), tuple(duel["rates"])),
        ahead=tuple(Setting(*one) for one in values["ahead"]),
        tried=tuple(Setting(*one) for one in values["tried"]),
    )
    return Retune(**given)


def _cusum(values: Mapping[str, Any]) -> Cusum:
    """A channel from JSON values."""
    return Cusum(**dict(values, ranks=tuple(values["ranks"])))
