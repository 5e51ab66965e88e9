"""The rooms put together as `scrimp.yaml` says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from scrimp.api import Collector, Provider, Services
from scrimp.collectors import Gathered, Gatherer, GatherSettings
from scrimp.compile import PolicySet
from scrimp.config import Config, FilesUsed
from scrimp.config.catalogue import builtin_catalogue
from scrimp.daemon.budgets import BudgetBook, BudgetCollector
from scrimp.daemon.memory import Json, known_rows, source_memory
from scrimp.daemon.observe import World
from scrimp.daemon.tick import TickSettings, conclude
from scrimp.diagnostics import Diagnostic
from scrimp.execute import ExecuteSettings
from scrimp.history import Folder, History
from scrimp.model.catalogue import Catalogue
from scrimp.model.decision import Mode
from scrimp.model.ledger import EMPTY_LEDGER, Ledger
from scrimp.model.plan import Plan
from scrimp.model.policy import STALE_DEFAULT_INTERVALS
from scrimp.plugins import build_collectors, build_providers, load_actions
from scrimp.reload import PolicyFolder, load_policies
from scrimp.store import ROWS, SOURCES, visit_store
from scrimp.worker import FolderChannel, FolderRegistry, open_queue


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a state folder remembers: the ledger, and documents about sources and about rows by kind."""

    ledger: Ledger = EMPTY_LEDGER
    sources: Mapping[str, Json] = field(default_factory=dict)
    rows: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything but the store, which has one owner at a time. `findings` are plug-ins that cannot be used."""

    config: Config
    catalogue: Catalogue
    services: Services
    collectors: tuple[Collector, ...]
    providers: tuple[Provider, ...]
    folder: PolicyFolder
    findings: tuple[Diagnostic, ...] = ()
    budgets: BudgetBook | None = None

    @property
    def history(self) -> History:
        """The history of the store, for reading."""
        return History(Folder(self.config.store / "history"), self.config.currency)

    def world(self, remembered: Remembered | None = None) -> World:
        """The collectors, with what an earlier run knew of the world."""
        settings = GatherSettings(
            self.config.deadline_s,
            {one.name: one.deadline_s for one in self.config.collectors if one.deadline_s is not None},
            self.config.mass_zero,
        )
        longest_s = max((one.interval_s for one in self.collectors), default=self.config.interval_s)
        gatherer = Gatherer(self.collectors, self.catalogue, settings)
        found = remembered or Remembered()
        gatherer.memory = source_memory(found.sources)
        known = {kind: known_rows(one) for kind, one in found.rows.items() if kind in self.catalogue.kinds}
        return World(gatherer, self.catalogue, STALE_DEFAULT_INTERVALS * longest_s, known, self.history)

    def tick_settings(self, cap: Mode | None = None) -> TickSettings:
        """The least of the caps holds: the environment's, and the one given for this run."""
        return TickSettings(
            capped(self.config, cap), execute=ExecuteSettings(deadline_s=self.config.action_deadline_s)
        )


def capped(config: Config, cap: Mode | None) -> Mode:
    """The least of the environment's cap and the one given for this run."""
    return min(one for one in (config.mode_cap, cap, Mode.ENFORCE) if one is not None)


def compose(
    config: Config, now: Callable[[], float], sleep: Callable[[float], None], *, preview: bool = False
) -> Parts:
    """Build it all, for a `preview` so that nothing is written. What cannot be built is among the findings.

    No policy is loaded yet.
    """
    actions, found = load_actions()
    paths = [config.policies]
    uses = partial(FilesUsed, config.folder, config.calendars)
    base = builtin_catalogue(config.currency).with_actions(actions)
    # Collectors and providers know the team's own kinds and fields as well; what is wrong with policies is told later.
    own = load_policies(paths, base, config.params, uses=uses).policy_set
    catalogue = base if own is None else own.catalogue
    registry = FolderRegistry(config.store)
    services = Services(
        now=now,
        sleep=sleep,
        state_dir=config.store,
        channel=FolderChannel(registry.worker_dir),
        currency=config.currency,
        allow_run_command=config.allow_run_command,
        jobs=registry,
        catalogue=catalogue,
        queue=partial(open_queue, config.store / "queues", copied=preview),
        preview=preview,
    )
    providers, bad_providers = build_providers(config, services)
    collectors, bad_collectors = build_collectors(config, services, catalogue)
    book = BudgetBook(config.budgets, History(Folder(config.store / "history"), config.currency))
    if config.budgets:
        collectors = (*collectors, BudgetCollector(book))
    return Parts(
        config,
        catalogue,
        services,
        collectors,
        providers,
        PolicyFolder(paths, partial(load_policies, paths, base, config.params, uses=uses)),
        (*found, *bad_providers, *bad_collectors),
        book,
    )


def preview(
    parts: Parts, policies: PolicySet, now_s: float, cap: Mode | None = None
) -> tuple[Gathered, Plan]:
    """What the next tick would conclude, of the world as it is and all that is remembered. Writes nothing.

    Raises `StoreError` where the state folder is there and cannot be read.
    """
    found = _recall(parts.config, parts.services.now)
    return conclude(parts.world(found), policies, found.ledger, now_s, capped(parts.config, cap))


def remembered(config: Config, now: Callable[[], float]) -> Ledger:
    """The ledger of the state folder; an empty one where no engine has run yet."""
    return _recall(config, now).ledger


def _recall(config: Config, now: Callable[[], float]) -> Remembered:
    if not (config.store / "scrimp.db").exists():
        return Remembered()
    with visit_store(config.store, now) as visit:
        return Remembered(visit.load_ledger(), visit.load_memory(SOURCES), visit.load_memory(ROWS))
