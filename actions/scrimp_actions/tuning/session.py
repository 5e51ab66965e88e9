"""The tuning of one operation while it runs: looks in, the batch size that its jobs should have now out. Pure.

`propose` says what is worth a look and what is best; a best one that is not the present size has to win a duel against
it before all jobs take it. A size that nothing beats is watched from then on (`retune`): drift brings its neighbours to a
duel, and nothing else. What the jobs are asked, and when, is decided by policies: see `provider`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, fsum, inf, log

from scrimp_actions.tuning.arrange import closed, ladder
from scrimp_actions.tuning.drift import DriftLimits
from scrimp_actions.tuning.duel import Duel, DuelRules, Verdict, judge
from scrimp_actions.tuning.explain import Proposal, Rejection, name_of
from scrimp_actions.tuning.goal import Care, Goal, latency_limit_s, worth
from scrimp_actions.tuning.history import History, Observation, Point, Setting, Workload, fold
from scrimp_actions.tuning.retune import Ground, Retune, RetuneRules, give_up, order, see
from scrimp_actions.tuning.search import propose

UNFILLED = "its batches are not filled"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a policy asked for last: the goal, and the share of the traffic (0 to 1) that may try other sizes.

    `asked` are its words. `memory_limit_bytes` is no wish, but the least limit of the jobs there are now: jobs come and
    go, so that what is remembered of the goal does not depend on it.
    """

    goal: Goal
    explore: float = 0.0
    asked: str = field(default="", compare=False)
    memory_limit_bytes: float | None = None

    @property
    def bounds(self) -> Goal:
        """The goal within the memory that the jobs have."""
        limits = [one for one in (self.goal.max_memory_bytes, self.memory_limit_bytes) if one is not None]
        return replace(self.goal, max_memory_bytes=min(limits, default=None))


@dataclass(frozen=True, slots=True)
class Pace:
    """How live tuning goes. A look takes `look_s` and `look_batches` at least.

    Where batches are filled to less than `full` on average, the work that comes in is the limit, and not their size. After a duel that
    changed nothing the next one waits `cool_s`, twice as long after each further one. Real traffic waits for a trial: a measured
    latency is taken `probe_reserve` times before it is reckoned up to a larger size, and none is tried beyond one that fell
    behind the best by `slower` (in logs: three times the spread of a look on a quiet machine, less than any cliff worth the name).
    `drift` is the shift (a log ratio) that brings a settled size to the test again.
    """

    look_s: float = 3.0
    look_batches: int = 4
    full: float = 0.9
    cool_s: float = 600.0
    probe_reserve: float = 1.5
    slower: float = 0.05
    rules: DuelRules = field(default_factory=DuelRules)
    drift: DriftLimits = field(default_factory=DriftLimits)


@dataclass(frozen=True, slots=True)
class Session:
    """All that is remembered of one operation. `incumbent` is the size that all jobs have but those on trial.

    `tried_s` is the time that trials took since `began_s`, in shares of the whole traffic; `told` says how the last
    duel ended. `retune` watches a size that nothing beats under `goal`; another goal begins the search anew. `aside` is
    what was looked at of the same operation elsewhere: on another device, or in another precision. Trial batches of the size
    `hollow` were not filled by the work that comes in: until `hollow_until_s` none as large is tried. `memory_limit_bytes` is the
    least limit of the jobs at the last look.
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
    aside: History = field(default_factory=dict)
    hollow: int | None = None
    hollow_until_s: float = 0.0
    memory_limit_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """The batch size for the jobs on trial, or for `all_jobs`; and why."""

    batch: int
    all_jobs: bool
    why: str


def study(session: Session, wish: Wish, care: Care, pace: Pace, now_s: float) -> Proposal:
    """What the looks so far say, of sizes that are safe to try."""
    goal, safe = wish.bounds, _safe_batch(session, wish.goal, pace)
    candidates = [
        one
        for one in ladder(goal, session.incumbent)
        if one.batch == session.incumbent
        or ((one.batch <= safe or one in session.points) and not _hollow(session, one.batch, now_s))
    ]
    return propose(session.points, candidates, goal, Setting(session.incumbent), care, now_s)


def _hollow(session: Session, batch: int, now_s: float) -> bool:
    """Whether the work that comes in would not fill such batches, as was seen a short while ago."""
    return session.hollow is not None and batch >= session.hollow and now_s < session.hollow_until_s


def _safe_batch(session: Session, goal: Goal, pace: Pace) -> float:
    """The largest batch to try under a latency bound; real traffic waits for a trial, so that no probe may break it to learn.

    It has to hold the bound with some reserve even if it takes as long per item as one that was looked at; and beyond the
    largest of those only where that one was not slower than the best below it.
    """
    if goal.max_latency_s is None:
        return inf
    seen = {setting.batch: point for setting, point in session.points.items() if point.weight > 0}
    reach = [
        int(batch * goal.max_latency_s / (exp(point.period + point.tail) * pace.probe_reserve))
        for batch, point in seen.items()
    ]
    safe = max([one for one in reach if one > 0], default=1)
    if len(seen) > 1:
        most = max(seen)
        rates = {batch: log(batch) - point.period for batch, point in seen.items()}
        if rates[most] < max(rates.values()) - pace.slower:
            safe = min(safe, most)
    return safe


def trial_jobs(jobs: Sequence[str], explore: float) -> Sequence[str]:
    """The jobs that may try other sizes: at most the share allowed, and one at least, which then tries in turns."""
    return sorted(jobs)[: max(1, int(explore * len(jobs) + 1e-9))] if explore > 0 else ()


def observe(
    session: Session,
    looks: Sequence[Observation],
    unfilled: Collection[int],
    wish: Wish | None,
    care: Care,
    pace: Pace,
    now_s: float,
) -> Session:
    """The session with the looks of one moment, and with the duel moved on.

    Looks at half-empty batches must not come in; `unfilled` are the sizes that there were such of.
    """
    history = fold({session.workload: session.points}, looks, care.half_life_s)
    session = replace(session, points=history.get(session.workload, {}))
    if wish is None or wish.explore <= 0:
        return session
    if session.goal != wish.goal:
        # What was concluded for another one holds no longer; what was measured does.
        session = Session(
            session.workload,
            session.incumbent,
            session.began_s,
            session.points,
            tried_s=session.tried_s,
            goal=wish.goal,
            aside=session.aside,
        )
    tried = [batch for batch in unfilled if batch != session.incumbent]
    if tried:
        session = replace(session, hollow=min(tried), hollow_until_s=now_s + pace.cool_s)
    if session.retune is not None and not _outgrown(session, wish, care):
        return _watched(session, session.retune, looks, tried, wish, care, pace, now_s)
    session = replace(session, retune=None)
    if session.duel is not None and session.duel.rival.batch in tried:
        session = _lost(session, f"{name_of(session.duel.rival)}: {UNFILLED}", pace, now_s)
    if session.duel is not None:
        session = _duelled(session, session.duel, looks, wish, pace, now_s)
    if looks and session.duel is None and session.winner is None:
        session = _concluded(session, wish, care, pace, now_s)
    return session


def _concluded(session: Session, wish: Wish, care: Care, pace: Pace, now_s: float) -> Session:
    """What the looks so far lead to: a duel; at once another size, where the one in use breaks a bound; or watching it."""
    proposal, here = study(session, wish, care, pace, now_s), Setting(session.incumbent)
    # Looks that were taken one after the other could not tell the two apart; looks in turns may.
    chosen = proposal.best if proposal.verdict == "no_verdict" else proposal.setting
    if proposal.verdict not in {"choose", "no_verdict"} or chosen is None:
        return session
    out = _out(session, wish, care) if chosen != here else None
    if out is not None:  # it has nothing to win any more, however fast it is
        return replace(session, winner=chosen.batch, told=f"{name_of(chosen)} instead of {out}")
    if now_s < session.cool_until_s:
        return session
    if chosen != here:
        return replace(session, duel=Duel(here, chosen))
    return replace(session, retune=Retune(here)) if proposal.verdict == "choose" else session


def _out(session: Session, wish: Wish, care: Care) -> Rejection | None:
    """How the size in use breaks a bound, as it was measured; a single probable breach is left to a duel."""
    here = Setting(session.incumbent)
    for bound, value, limit in closed([here], session.points, wish.bounds, care).values():
        return Rejection(here, bound, value, limit, measured=True)
    point = session.points.get(here)
    if point is None or point.weight < care.min_weight:
        return None
    tail_s, limit_s = exp(point.period + point.tail), latency_limit_s(wish.goal, here)
    return Rejection(here, "latency", tail_s, limit_s, measured=True) if tail_s > limit_s else None


def _outgrown(session: Session, wish: Wish, care: Care) -> bool:
    """Whether the size in use no longer fits or works: a job with less memory than the others has come, say."""
    out = _out(session, wish, care)
    return out is not None and out.bound in {"memory", "errors"}


def _watched(
    session: Session,
    retune: Retune,
    looks: Sequence[Observation],
    unfilled: Collection[int],
    wish: Wish,
    care: Care,
    pace: Pace,
    now_s: float,
) -> Session:
    """Watch the size in use; where a neighbour has won after a drift, it is the winner."""
    goal = wish.bounds
    ground = Ground(session.points, ladder(goal, session.incumbent), goal, care)
    rules = _rules(wish, pace)
    for look in looks:
        retune = see(retune, look, ground, rules, now_s)
    if retune.duel is not None and retune.duel.rival.batch in unfilled:
        retune = give_up(retune, ground, rules, now_s, UNFILLED)
    winner = retune.setting.batch if retune.setting.batch != session.incumbent else None
    return replace(session, retune=retune, winner=winner, told=retune.told or session.told)


def _rules(wish: Wish, pace: Pace) -> RetuneRules:
    return RetuneRules(
        share=wish.explore,
        look_batches=pace.look_batches,
        cool_s=pace.cool_s,
        duel=pace.rules,
        drift=pace.drift,
        reserve=pace.probe_reserve,
    )


def _duelled(
    session: Session, duel: Duel, looks: Sequence[Observation], wish: Wish, pace: Pace, now_s: float
) -> Session:
    """Take the looks of this turn, and end the duel where it is decided, or where a bound is broken."""
    seen = [look for look in looks if look.setting == duel.turn]
    broken = next((why for look in seen if (why := _breach(look, wish.bounds))), "")
    if broken and duel.turn == duel.rival:
        return _lost(session, f"{name_of(duel.rival)}: {broken}", pace, now_s)
    if broken:  # of the size in use: it is out, or not, by all its looks
        return replace(session, duel=None)
    rates = [value for look in seen if (value := worth(wish.goal, look)) is not None]
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
    return _lost(session, f"{versus}: {said}, {gain}", pace, now_s)


def _lost(session: Session, told: str, pace: Pace, now_s: float) -> Session:
    """All stays as it is, and the next duel waits."""
    return replace(
        session,
        duel=None,
        idle_duels=session.idle_duels + 1,
        cool_until_s=now_s + pace.cool_s * 2.0**session.idle_duels,
        told=told,
    )


def _breach(look: Observation, goal: Goal) -> str:
    """How one look breaks a bound; empty if it does not."""
    if look.items_per_s <= 0.0 or look.errors > goal.max_error_rate * look.n:
        return "it failed"
    tail_s = look.latency_s if look.tail_s is None else look.tail_s
    return "it breaks the latency bound" if tail_s > latency_limit_s(goal, look.setting) else ""


def settled(session: Session, batch: int) -> Session:
    """All jobs have this size now."""
    return replace(session, incumbent=batch, winner=None)


def next_size(
    session: Session,
    wish: Wish | None,
    proposal: Proposal,
    care: Care,
    pace: Pace,
    jobs: int,
    now_s: float,
) -> Next:
    """What the jobs should have now, of so many; `proposal` is what `study` says now."""
    here = session.incumbent
    if wish is None:
        return Next(here, all_jobs=True, why="no policy has said yet what it wishes")
    if session.winner is not None:
        return Next(session.winner, all_jobs=True, why=session.told)
    if wish.explore <= 0:
        return _known_best(session, proposal, pace, _out(session, wish, care))
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


def _known_best(session: Session, proposal: Proposal, pace: Pace, out: Rejection | None) -> Next:
    """The best measured size where nothing may be tried, if it is better by the margin of a duel, or the present one is out."""
    best, gain = proposal.best, proposal.measured_gain
    if out is not None and best is not None:
        return Next(best.batch, all_jobs=True, why=f"{name_of(best)} instead of {out}")
    if best is not None and proposal.setting == best and gain is not None and gain > pace.rules.margin:
        return Next(best.batch, all_jobs=True, why=f"measured {gain:+.0%}")
    return Next(session.incumbent, all_jobs=True, why="nothing may be tried")


def _other(duel: Duel) -> Setting:
    return duel.rival if duel.turn == duel.base else duel.base
