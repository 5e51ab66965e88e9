"""What tests of the daemon share: an engine on real files, with a clock, a source and a target that do as told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scrimp.api import Collected, KindBatch, Services, Value
from scrimp.config import Config
from scrimp.daemon import Alarm, Daemon, Parts, Told
from scrimp.model.decision import Mode
from scrimp.plugins import load_catalogue
from scrimp.reload import PolicyFolder, load_policies
from scrimp.store import Record, Store, open_store, read_records
from scrimp.testing import FakeCollector, FakeProvider, ManualClock

CATALOGUE = load_catalogue()
INTERVAL_S = 1800.0
POLICY = """scrimp 1

policy shrink {{
  "Halve groups that sit idle."
  owner "team"
  mode {mode}
  target node_group
  when gpu_utilization < 20%{more}
  do scale_down(by = 50%)
  cooldown {cooldown} per target
}}
"""


def policy(mode: str = "enforce", cooldown: str = "26h", more: str = "") -> str:
    return POLICY.format(mode=mode, cooldown=cooldown, more=more)


def groups(*names: str, utilization: Value = 0.05, size: float = 10.0) -> Collected:
    rows = len(names)
    fields: dict[str, Sequence[Value]] = {
        "gpu_utilization": [utilization] * rows,
        "size": [size] * rows,
        "price_per_hour": [3.0] * rows,
    }
    return Collected([KindBatch("node_group", names, fields, [{"team": "x"}] * rows)])


@dataclass
class Engine:
    """A world of node groups around one state folder. The source says `size` 10 for ever, so that shrinking is always due."""

    root: Path
    answers: list[Collected | Exception] = field(default_factory=lambda: [groups("a")])
    clock: ManualClock = field(default_factory=ManualClock)
    told: list[Told] = field(default_factory=list)
    config: Config = field(init=False)
    provider: FakeProvider = field(init=False)
    collector: FakeCollector = field(init=False)
    alarm: Alarm = field(default_factory=Alarm)
    daemons: list[Daemon] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "policies").mkdir(exist_ok=True)
        self.write(policy())
        self.config = Config(self.root / "policies", self.root / "state", interval_s=INTERVAL_S)
        self.provider = FakeProvider({"node_group/a": {"size": 10.0}, "node_group/b": {"size": 10.0}})
        self.collector = FakeCollector(self.answers, [("node_group", "*")], interval_s=INTERVAL_S)

    def write(self, text: str) -> None:
        """Replace the policy file at once, as editors do: nobody sees half of it."""
        beside = self.root / "policies" / ".p.scrimp.new"
        beside.write_text(text)
        beside.replace(self.root / "policies" / "p.scrimp")

    def open(self) -> Store:
        """The state folder."""
        return open_store(self.config.store, self.clock.now)

    def parts(self) -> Parts:
        """The engine's parts, afresh."""
        paths = [self.config.policies]
        return Parts(
            self.config,
            CATALOGUE,
            Services(self.clock.now, self.clock.sleep, self.config.store),
            (self.collector,),
            (self.provider,),
            PolicyFolder(paths, partial(load_policies, paths, CATALOGUE), settle_s=0.0),
        )

    def daemon(self, store: Store) -> Daemon:
        """A started daemon."""
        found = self.unstarted(store)
        found.start()
        return found

    def unstarted(self, store: Store, cap: Mode | None = None) -> Daemon:
        """One that has not looked at anything yet."""
        self.daemons.append(Daemon(self.parts(), store, self.alarm, cap, tell=self.told.append))
        return self.daemons[-1]

    def close(self) -> None:
        """End the threads of all daemons: one that writes while the interpreter ends would take it down."""
        for daemon in self.daemons:
            daemon.close()

    def applied(self) -> int:
        """How often the target was really touched."""
        return sum(step == "apply" for step, _ in self.provider.calls)

    def records(self, store: Store, event: str) -> list[Record]:
        """What the audit log has of one event."""
        return list(read_records(store.log, event=event))
