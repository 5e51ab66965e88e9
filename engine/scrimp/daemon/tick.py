"""One tick: collect, decide, note, act. `now_s` is read once, by whoever calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scrimp.api import Provider
from scrimp.collectors import Gathered
from scrimp.compile import PolicySet
from scrimp.daemon.memory import row_document, source_documents, source_memory
from scrimp.daemon.observe import KnownRows, World
from scrimp.execute import ExecuteSettings, Outcome, execute, shadow_intents
from scrimp.model.decision import Decision, Mode, Verdict
from scrimp.model.ledger import Ledger
from scrimp.model.plan import Plan, Withheld
from scrimp.plan import Settings, decide
from scrimp.reload import Commit
from scrimp.store import ROWS, SOURCES, Context, Entry, Git, Store

Seen = tuple[str, str, bool]  # policy, target, undo
ACTING = (Verdict.ACT, Verdict.UNDO)


@dataclass(frozen=True, slots=True)
class TickSettings:
    """`cap` bounds all modes. Of one policy and verdict at most `one_by_one` new targets get a record each, more share one."""

    cap: Mode = Mode.ENFORCE
    one_by_one: int = 100
    execute: ExecuteSettings = field(default_factory=ExecuteSettings)


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick saw, concluded and did."""

    gathered: Gathered
    plan: Plan
    outcomes: tuple[Outcome, ...]


@dataclass(slots=True)
class Ticker:
    """The steps of a tick and what they need; remembers which decisions are recorded already."""

    world: World
    providers: Sequence[Provider]
    store: Store
    sleep: Callable[[float], None]
    settings: TickSettings
    _told: dict[Seen, tuple[Verdict, str, str]] = field(default_factory=dict)
    _failing: set[str] = field(default_factory=set)

    def tick(self, policies: PolicySet, commit: Commit | None, now_s: float) -> Ticked:
        """Raises `StoreError`: what cannot be noted is not done."""
        self.store.under(context(policies, commit, now_s))
        sources = self.store.load_memory(SOURCES)
        self.world.gatherer.memory = source_memory(sources)
        known = dict(self.world.known)
        gathered, plan = conclude(self.world, policies, self.store.load_ledger(), now_s, self.settings.cap)
        self.store.save_memory(SOURCES, source_documents(self.world.gatherer.memory), sources)
        self._save_rows(known)
        self.store.save_holds(plan.holds)
        for ended in plan.ended:
            self.store.end_episode(ended)
        self.store.record_requests(plan.requests)
        self.store.record([*self._troubles(gathered), *self._news(plan)])
        by_name = {policy.name: policy for policy in policies.checked.policies}
        self.store.record_shadows(shadow_intents(plan.proposed, by_name, now_s))
        outcomes = execute(
            plan.proposed,
            by_name,
            self.providers,
            self.store,
            now_s,
            self.sleep,
            self.settings.execute,
            self.store.paused,
        )
        self.store.record(alerts(outcomes))
        return Ticked(gathered, plan, outcomes)

    def _save_rows(self, before: Mapping[str, KnownRows]) -> None:
        """Keep who is there, where it changed: an outage that a restart falls into must not lose them."""
        known = self.world.known.items()
        self.store.save_memory(
            ROWS, {kind: row_document(rows) for kind, rows in known if not rows.same_as(before.get(kind))}
        )

    def _troubles(self, gathered: Gathered) -> list[Entry]:
        """Records of what went wrong in collecting, when it begins, and of sources that are back."""
        failing = {one.name for one in gathered.statuses if one.cause}
        back, self._failing = self._failing - failing, failing
        return [
            *(
                Entry("alert", values={"code": one.code, "message": one.message, "hint": one.hint})
                for one in gathered.diagnostics
            ),
            *(
                Entry("alert", values={"collector": name, "message": "answers again"})
                for name in sorted(back)
            ),
        ]

    def _news(self, plan: Plan) -> list[Entry]:
        """Records of the decisions that act, and of those that are not what they were a tick before."""
        before, self._told = self._told, {}
        entries = [
            _entry(one) for one in plan.proposed if self._is_news(before, one) or one.verdict in ACTING
        ]
        for bulk in plan.withheld:
            entries.extend(self._bulk_news(before, bulk))
        return entries

    def _is_news(self, before: dict[Seen, tuple[Verdict, str, str]], one: Decision) -> bool:
        key, now = (one.policy, one.target, one.undo), (one.verdict, one.blocker, one.id)
        self._told[key] = now
        return before.get(key) != now

    def _bulk_news(self, before: dict[Seen, tuple[Verdict, str, str]], bulk: Withheld) -> Iterator[Entry]:
        new = []
        for place, target in enumerate(bulk.targets):
            key = (bulk.policy, target, False)
            self._told.setdefault(key, (bulk.verdict, "", ""))
            if before.get(key, (None,))[0] is not bulk.verdict:
                new.append(place)
        if len(new) <= self.settings.one_by_one:
            yield from (_entry(bulk.render(place)) for place in new)
            return
        first = bulk.render(new[0])
        values = {
            "verdict": bulk.verdict.value,
            "targets": len(new),
            "first": {"target": first.target, "reason": first.reason},
        }
        yield Entry("decision", bulk.policy, values=values)


def conclude(
    world: World, policies: PolicySet, ledger: Ledger, now_s: float, cap: Mode = Mode.ENFORCE
) -> tuple[Gathered, Plan]:
    """Look at the world and decide. Nothing is written and nothing done: a preview ends here."""
    gathered = world.observe(policies.windows, now_s)
    return gathered, decide(policies, gathered.snapshot, ledger, now_s, Settings(cap))


def context(policies: PolicySet, commit: Commit | None, now_s: float) -> Context:
    """What the records of a tick share."""
    return Context(
        tick_s=now_s,
        set_hash=policies.digest,
        policy_hashes={policy.name: policy.digest for policy in policies.checked.policies},
        git=None if commit is None else Git(commit.id, commit.dirty),
    )


def alerts(outcomes: Sequence[Outcome]) -> list[Entry]:
    """Records of what a person has to look at: acts that failed, and acts in doubt."""
    return [
        Entry(
            "alert",
            one.intent.policy,
            one.intent.target,
            one.intent.action.action,
            one.intent.key,
            {"code": one.code, "outcome": one.outcome, "detail": one.detail},
        )
        for one in outcomes
        if one.outcome in (None, "ask", "failed")
    ]


def _entry(decision: Decision) -> Entry:
    values = {
        "id": decision.id,
        "verdict": decision.verdict.value,
        "blocker": decision.blocker,
        "mode": decision.mode.word,
        "reason": decision.reason,
        "undo": decision.undo,
        "seen": dict(decision.values),
        "actions": [action.as_json() for action in decision.actions],
        "overridden_by": decision.overridden_by,
        "merged_into": decision.merged_into,
    }
    return Entry("decision", decision.policy, decision.target, values=values)
