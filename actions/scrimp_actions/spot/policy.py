"""The choice for one job with a deadline, at one moment: which pool, on demand, or wait. Pure.

The value table of `deadline` is solved for the market as a whole at its usual price and life. A pool differs from
that by two terms, which are added to its cost: the difference in price for as long as it is expected to last, and the
changeover that a longer life saves (a shorter one costs). What is put off (by waiting, or on demand) begins later on
the same pools: it is charged with the least of these terms, or with waiting for a better pool until that is expected
back. A table that took the usual price and the longest life for granted later would wait for a pool that has both,
and may not exist. Moves between pools that both run are capped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scrimp_actions.spot.deadline import Mode, Model, Table, must_run_on_demand, solve
from scrimp_actions.spot.lifetimes import HOUR_S
from scrimp_actions.spot.market import DAY_S, Offer, Outlook


@dataclass(frozen=True, slots=True)
class Task:
    """A job with a deadline as it stands. `pool` is the spot pool it runs on, if its mode is spot.

    `work_s`: work left on one instance; `left_s`: time to the deadline; `warming_s`: what is left of the changeover.
    """

    mode: Mode
    pool: str | None
    work_s: float
    left_s: float
    warming_s: float
    moves_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """What a policy sets: the price on demand, the changeover, the time between two decisions, and the caps.

    `move_margin`: a move has to gain this many times what it costs; `moves_per_day`: moves of one instance in 24
    hours that no loss forced. `max_price`: a pool above it is not begun (None: no cap). `cheaper_back_s`: a
    dear pool's price counts for this long at most, as by then a cheaper one is back and it is left. `wait_margin`:
    where nothing is known of a market, not to begin a pool that is up has to gain this share of a changeover; the
    share falls as losses are seen (`Outlook.doubt`).
    """

    on_demand_per_hour: float
    changeover_s: float
    tick_s: float
    move_margin: float = 2.0
    moves_per_day: int = 1
    max_price: float | None = None
    cheaper_back_s: float = 3 * HOUR_S
    wait_margin: float = 0.5


@dataclass(frozen=True, slots=True)
class Option:
    """One way to go on, with the expected cost of all the work left, and for a pool what it rests on."""

    mode: Mode
    pool: str | None
    expected_cost: float
    expected_up_s: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest option, and all of them in order of cost. `forced`: the deadline left no other."""

    best: Option
    options: tuple[Option, ...]
    forced: bool
    move: bool

    @property
    def gain(self) -> float:
        """What the best option is expected to save against the next one; 0 where there is none."""
        return self.options[1].expected_cost - self.best.expected_cost if len(self.options) > 1 else 0.0


def table_for(
    outlook: Outlook, rules: ChoiceRules, *, horizon_s: float, slack_s: float, several: bool
) -> Table:
    """The value table of an outlook. With `several` pools, losing one is mostly a change to another."""
    return solve(
        _model(outlook, rules, several),
        horizon_s=horizon_s,
        slack_s=slack_s,
        changeover_s=rules.changeover_s,
    )


def still_fits(
    table: Table, outlook: Outlook, rules: ChoiceRules, *, several: bool, share: float = 0.1
) -> bool:
    """Whether a table that was solved earlier does for this outlook: no rate and no price is off by more than a share."""
    old, new = table.model, _model(outlook, rules, several)
    pairs = ((old.spot_ratio, new.spot_ratio), (old.swap_per_h, new.swap_per_h))
    return all(abs(a - b) <= share * max(a, b) for a, b in pairs) and new.lifetimes.near(old.lifetimes, share)


def _model(outlook: Outlook, rules: ChoiceRules, several: bool) -> Model:
    """The market as one pool: at the usual price, and with `several` pools, left for another at each usual life."""
    ratio = outlook.usual_price / rules.on_demand_per_hour
    return Model(outlook.any_pool, ratio, HOUR_S / outlook.usual_life_s if several else 0.0)


def choose(
    task: Task,
    offers: Mapping[str, Offer],
    phases: tuple[Mapping[str, int], int],
    outlook: Outlook,
    table: Table,
    rules: ChoiceRules,
    now_s: float,
) -> Choice:
    """The choice until the next decision, `rules.tick_s` from now. `phases` are those of `MarketMemory.phases`."""
    demand = rules.on_demand_per_hour / HOUR_S
    slack = task.left_s - task.work_s
    costs = table.costs(task.left_s, slack, phases[1], task.warming_s)
    on_demand = costs.stay if task.mode is Mode.ON_DEMAND else costs.demand
    on_spot, may_lose_a_tick = task.mode is Mode.SPOT, _safe(Mode.IDLE, task, rules)
    may_move = not on_spot or (task.warming_s <= 0 and _moves_left(task, rules, now_s) > 0)
    penalty = (rules.move_margin - 1.0) * max(0.0, costs.begin - costs.keep) if on_spot else 0.0
    terms = _Terms.of(task, offers, phases[0], outlook, rules, costs.begin - costs.keep)
    options = [Option(Mode.ON_DEMAND, None, (on_demand + terms.least_s) * demand)]
    if not on_spot and may_lose_a_tick:
        waits = [costs.wait + terms.least_s]
        for back_s, extra in terms.better:
            waits.append(table.costs(task.left_s - back_s, slack - back_s, phases[1]).begin + extra)
        options.append(Option(Mode.IDLE, None, (min(waits) + terms.passed_up_s) * demand))
    for name, extra in terms.extra_s.items():
        life_s = terms.lives_s[name]
        if on_spot and name == task.pool:
            if _safe(Mode.SPOT, task, rules):
                options.append(Option(Mode.SPOT, name, (costs.keep + extra) * demand, life_s))
        elif may_move and may_lose_a_tick and _affordable(offers[name], rules):
            options.append(Option(Mode.SPOT, name, (costs.begin + extra + penalty) * demand, life_s))
    if on_spot and len(offers) == 1 and len(options) > 1:
        options = options[1:]  # a warm instance on the only pool makes progress at less than on demand
    ordered = tuple(sorted(options, key=lambda option: option.expected_cost))
    best = ordered[0]
    return Choice(
        best, ordered, len(ordered) == 1, on_spot and best.mode is Mode.SPOT and best.pool != task.pool
    )


@dataclass(frozen=True, slots=True)
class _Terms:
    """What sets the pools apart from the market as a whole, in seconds at the price on demand.

    `lives_s` and `extra_s` are of the pools that are up. `least_s` is the least of those that may be begun and cost
    less than on demand. `better` are the seconds until a pool that is down is expected back, and its extra then.
    `passed_up_s` is what waiting has to gain at least where there is a pool to begin.
    """

    lives_s: Mapping[str, float]
    extra_s: Mapping[str, float]
    least_s: float
    better: tuple[tuple[float, float], ...]
    passed_up_s: float

    @classmethod
    def of(
        cls,
        task: Task,
        offers: Mapping[str, Offer],
        phases: Mapping[str, int],
        outlook: Outlook,
        rules: ChoiceRules,
        change_s: float,
    ) -> _Terms:
        """The terms at one moment; `change_s` is what one changeover costs. An only pool is the market: no extra."""
        ups = [name for name, offer in offers.items() if offer.available]
        lives = {name: outlook.pools[name].expected_up_s(phases[name], task.work_s) for name in ups}
        worth = [
            name
            for name, offer in offers.items()
            if _affordable(offer, rules) and offer.price_per_hour < rules.on_demand_per_hour
        ]
        passed_up_s = _passed_up_s(outlook, rules) if any(name in lives for name in worth) else 0.0
        if len(offers) == 1:
            return cls(lives, dict.fromkeys(ups, 0.0), 0.0, (), passed_up_s)
        longest_s = max(lives.values(), default=0.0)

        def extra_s(name: str, life_s: float) -> float:
            sooner = _sooner(life_s, longest_s, task, outlook)
            return _dearer_s(offers[name], life_s, outlook, rules) + change_s * sooner

        extra = {name: extra_s(name, life_s) for name, life_s in lives.items()}
        least_s = max(0.0, min((extra[name] for name in worth if name in extra), default=0.0))
        better = []
        for name in (name for name in worth if name not in extra):
            pool = outlook.pools[name]
            then_s = extra_s(name, pool.expected_up_s(pool.prior.phase(True, 0.0), task.work_s))
            back_s = pool.expected_down_s(phases[name])
            if then_s < least_s and back_s < task.left_s - task.work_s:
                better.append((back_s, then_s))
        return cls(lives, extra, least_s, tuple(better), passed_up_s)


def _passed_up_s(outlook: Outlook, rules: ChoiceRules) -> float:
    """What it has to gain to let spot go by, in seconds at the price on demand.

    With slack to spare the table waits for the least gain, as slack costs it nothing until it is short; where the
    estimates are mostly the prior, such gains are made up.
    """
    changeover_s = rules.changeover_s * outlook.usual_price / rules.on_demand_per_hour
    return rules.wait_margin * outlook.doubt * changeover_s


def _dearer_s(offer: Offer, life_s: float, outlook: Outlook, rules: ChoiceRules) -> float:
    """What a pool's price costs more than the usual one while it is used, in seconds at the price on demand."""
    dearer = (offer.price_per_hour - outlook.usual_price) / rules.on_demand_per_hour
    return dearer * min(life_s, rules.cheaper_back_s)


def _sooner(life_s: float, longest_s: float, task: Task, outlook: Outlook) -> float:
    """How many changeovers more a pool brings than the one that is expected to last longest.

    Pools are compared with each other only: whether spot is worth beginning at all is for the table to say.
    """
    return (longest_s - life_s) / max(60.0, min(outlook.usual_life_s, task.work_s))


def _safe(mode: Mode, task: Task, rules: ChoiceRules) -> bool:
    """Whether the deadline holds if this mode is kept until the next decision and spot falls away then."""
    return not must_run_on_demand(
        mode,
        left_s=task.left_s,
        work_s=task.work_s,
        warming_s=task.warming_s,
        changeover_s=rules.changeover_s,
        tick_s=rules.tick_s,
    )


def _moves_left(task: Task, rules: ChoiceRules, now_s: float) -> int:
    """How many moves the cap still allows in the 24 hours up to now."""
    return rules.moves_per_day - sum(1 for at_s in task.moves_s if at_s > now_s - DAY_S)


def _affordable(offer: Offer, rules: ChoiceRules) -> bool:
    """Whether a pool is under the cap on the price."""
    return rules.max_price is None or offer.price_per_hour <= rules.max_price
