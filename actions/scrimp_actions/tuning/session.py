"""The tuning of one operation while it runs: looks in, the batch size that its jobs should have now out. Pure.

`propose` says what is worth a look and what is best; a best one that is not the present size has to win a duel against
it before all jobs take it. A size that nothing beats is watched from then on (`retune`): drift brings its neighbours to a
duel, and nothing else. What the jobs are asked, and when, is decided by policies: see `provider`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, fsum, log

from scrimp_actions.tuning.arrange import ladder
from scrimp_actions.tuning.duel import Duel, DuelRules, Verdict, judge
from scrimp_actions.tuning.explain import Proposal
from scrimp_actions.tuning.goal import Care, Goal
from scrimp_actions.tuning.history import Observation, Point, Setting, Workload, fold
from scrimp_actions.tuning.retune import Ground, Retune, RetuneRules, order, see
from scrimp_actions.tuning.search import propose

SAFETY = 1.5  # on a measured latency, before it is reckoned up to a size that was not measured: real traffic waits for it
SLOWER = 0.05  # in logs: by so much a larger size has to fall behind before none beyond it is tried
FULL = 0.9  # of the batch size on average: below, the work that comes in is the limit, not the batch


@dataclass(frozen=True, slots=True)
class Wish:
    """What a policy asked for last, at `noted_s`: the goal, and the share of the traffic (0 to 1) that may try other sizes."""

    goal: Goal
    explore: float = 0.0
    noted_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Pace:
    """How live tuning goes. A look takes `look_s` and `look_batches` at least.

    After a duel that changed nothing the next one waits `cool_s`, twice as long after each further one. A wish holds for
    `wish_s`; then the policy has to say it again.
    """

    look_s: float = 3.0
    look_batches: int = 4
    cool_s: float = 600.0
    wish_s: float = 3600.0
    rules: DuelRules = field(default_factory=DuelRules)


@dataclass(frozen=True, slots=True)
class Session:
    """All that is remembered of one operation. `incumbent` is the size that all jobs have but those on trial.

    `tried_s` is the time that trials took since `began_s`, in shares of the whole traffic; `told` says how the last
    duel ended. `retune` watches a size that nothing beats under `goal`; other bounds begin the search anew.
    """

    workload: Workload
    incumbent: int
    began_s: float
    points: Mapping[Setting, Point] = field(default_factory=dict)
    duel: Duel | None = None
    winner: int | None = None
    idle_duels: int = 0
    cool_until_s: float = 0.0
    tried_s: float = 0.0
    told: str = ""
    retune: Retune | None = None
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """The batch size for the jobs on trial, or for `all_jobs`; and why."""

    batch: int
    all_jobs: bool
    why: str


def study(session: Session, wish: Wish, care: Care, now_s: float) -> Proposal:
    """What the looks so far say, of sizes that are safe to try."""
    goal = replace(wish.goal, max_batch=_safe_batch(session, wish.goal))
    candidates = ladder(goal, session.incumbent)
    return propose(session.points, candidates, goal, Setting(session.incumbent), care, now_s)


def _safe_batch(session: Session, goal: Goal) -> int | None:
    """The largest batch to try under a latency bound; real traffic waits for a trial, so that no probe may break it to learn.

    It has to hold the bound with some reserve even if it takes as long per item as one that was looked at; and beyond the
    largest of those only where that one was not slower than the best below it.
    """
    if goal.max_latency_s is None:
        return goal.max_batch
    seen = {setting.batch: point for setting, point in session.points.items() if point.weight > 0}
    reach = [
        int(batch * goal.max_latency_s / (exp(point.period + point.tail) * SAFETY))
        for batch, point in seen.items()
    ]
    safe = max([one for one in reach if one > 0], default=1)
    if len(seen) > 1:
        most = max(seen)
        rates = {batch: log(batch) - point.period for batch, point in seen.items()}
        if rates[most] < max(rates.values()) - SLOWER:
            safe = min(safe, most)
    return safe if goal.max_batch is None else min(safe, goal.max_batch)


def trial_jobs(jobs: Sequence[str], explore: float) -> Sequence[str]:
    """The jobs that may try other sizes: at most the share allowed, and one at least, which then tries in turns."""
    return sorted(jobs)[: max(1, int(explore * len(jobs) + 1e-9))] if explore > 0 else ()


def observe(
    session: Session, looks: Sequence[Observation], wish: Wish | None, care: Care, pace: Pace, now_s: float
) -> Session:
    """The session with the looks of one moment, and with the duel moved on. Looks at half-empty batches must not come in."""
    history = fold({session.workload: session.points}, looks, care.half_life_s)
    session = replace(session, points=history.get(session.workload, {}))
    if wish is None or wish.explore <= 0:
        return session
    if session.retune is not None and session.goal == wish.goal:
        return _watched(session, session.retune, looks, wish, care, pace, now_s)
    session = replace(session, retune=None)
    if session.duel is not None:
        session = _duelled(session, looks, pace, now_s)
    if looks and session.duel is None and session.winner is None and now_s >= session.cool_until_s:
        proposal = study(session, wish, care, now_s)
        # Looks that were taken one after the other could not tell the two apart; looks in turns may.
        chosen = proposal.best if proposal.verdict == "no_verdict" else proposal.setting
        if (
            proposal.verdict in {"choose", "no_verdict"}
            and chosen is not None
            and chosen.batch != session.incumbent
        ):
            session = replace(session, duel=Duel(Setting(session.incumbent), chosen))
        elif proposal.verdict == "choose":
            session = replace(session, retune=Retune(Setting(session.incumbent)), goal=wish.goal)
    return session


def _watched(
    session: Session,
    retune: Retune,
    looks: Sequence[Observation],
    wish: Wish,
    care: Care,
    pace: Pace,
    now_s: float,
) -> Session:
    """Watch the size in use; where a neighbour has won after a drift, it is the winner."""
    ground = Ground(session.points, ladder(wish.goal, session.incumbent), wish.goal, care)
    for look in looks:
        retune = see(retune, look, ground, _rules(wish, pace), now_s)
    winner = retune.setting.batch if retune.setting.batch != session.incumbent else None
    return replace(session, retune=retune, winner=winner, told=retune.told or session.told)


def _rules(wish: Wish, pace: Pace) -> RetuneRules:
    return RetuneRules(
        share=wish.explore, look_batches=pace.look_batches, cool_s=pace.cool_s, duel=pace.rules
    )


def _duelled(session: Session, looks: Sequence[Observation], pace: Pace, now_s: float) -> Session:
    """Take the looks of this turn, and end the duel where it is decided."""
    duel = session.duel
    assert duel is not None
    rates = [look.items_per_s for look in looks if look.setting == duel.turn]
    if not rates:
        return session
    duel = duel.seen(exp(fsum(log(rate) for rate in rates) / len(rates)))
    verdict = judge(duel, pace.rules)
    if verdict is Verdict.OPEN:
        return replace(session, duel=duel)
    gain = f"{duel.gain or 0.0:+.0%} over {len(duel.pairs)} pairs of looks"
    versus = f"batch {duel.rival.batch} against {duel.base.batch}"
    if verdict is Verdict.WON:
        return replace(
            session, duel=None, winner=duel.rival.batch, idle_duels=0, told=f"{versus}: won, {gain}"
        )
    said = "lost" if verdict is Verdict.LOST else "no verdict, the spread is too wide"
    return replace(
        session,
        duel=None,
        idle_duels=session.idle_duels + 1,
        cool_until_s=now_s + pace.cool_s * 2.0**session.idle_duels,
        told=f"{versus}: {said}, {gain}",
    )


def settled(session: Session, batch: int) -> Session:
    """All jobs have this size now."""
    return replace(session, incumbent=batch, winner=None)


def next_size(
    session: Session, wish: Wish | None, proposal: Proposal, pace: Pace, jobs: int, now_s: float
) -> Next:
    """What the jobs should have now, of so many; `proposal` is what `study` says now."""
    here = session.incumbent
    if wish is None or now_s - wish.noted_s > pace.wish_s:
        return Next(
            max(here // 2, 1) if here > 1 else 2, all_jobs=False, why="a policy has to say what it wishes"
        )
    if session.winner is not None:
        return Next(session.winner, all_jobs=True, why=session.told)
    if wish.explore <= 0:
        return _known_best(session, proposal, pace)
    if session.retune is not None:
        asked = order(session.retune, _rules(wish, pace))
        return Next(asked.setting.batch, all_jobs=not asked.probe, why=asked.why)
    if session.duel is not None:
        why = f"in turns with batch {_other(session.duel).batch}"
        return _trial(session, session.duel.turn.batch, wish, pace, jobs, now_s, why)
    if now_s < session.cool_until_s:
        return Next(here, all_jobs=True, why=session.told)
    wanted = proposal.setting.batch if proposal.verdict == "measure" and proposal.setting else here
    return _trial(session, wanted, wish, pace, jobs, now_s, proposal.reasons[0])


def _trial(session: Session, batch: int, wish: Wish, pace: Pace, jobs: int, now_s: float, why: str) -> Next:
    """A size for the jobs on trial, as far as their share of the traffic is not used up."""
    if batch == session.incumbent:
        return Next(batch, all_jobs=True, why=why)
    look_s = pace.look_s * len(trial_jobs([""] * jobs, wish.explore)) / max(jobs, 1)
    allowed_s = wish.explore * max(now_s - session.began_s, 0.0) + look_s
    if wish.explore < 1.0 and session.tried_s + look_s > allowed_s:
        why = f"{wish.explore:.0%} of the traffic may try other sizes: that is used up for now"
        return Next(session.incumbent, all_jobs=True, why=why)
    return Next(batch, all_jobs=False, why=why)


def _known_best(session: Session, proposal: Proposal, pace: Pace) -> Next:
    """The best measured size where nothing may be tried, if it is better by the margin of a duel."""
    best, gain = proposal.best, proposal.measured_gain
    if best is not None and proposal.setting == best and gain is not None and gain > pace.rules.margin:
        return Next(best.batch, all_jobs=True, why=f"measured {gain:+.0%}")
    return Next(session.incumbent, all_jobs=True, why="nothing may be tried")


def _other(duel: Duel) -> Setting:
    return duel.rival if duel.turn == duel.base else duel.base
