"""All that a collector or provider may import: protocols, nouns and typed errors.

A provider or collector is a stranger's package: it is found by entry point (`scrimp.providers`, `scrimp.collectors`),
built by its factory from its section of `scrimp.yaml` and the `Services` of the daemon, and used through the
protocols here. Errors from the outside world are types with consequences, see `OutsideError`.

A name is looked up when it is first used: the specifications of actions need four of the modules behind, and `scrimp check`
needs no more.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scrimp.api.access import Checkup, Examined, Health, Permission, Permitted
    from scrimp.api.collectors import Collected, Collector, KindBatch, Refilling, SeriesBatch, Waking
    from scrimp.api.errors import OutsideError, Refused, TargetGone, Throttled, Unavailable
    from scrimp.api.local_jobs import JobGroup, JobRegistry, Member, ProcessId
    from scrimp.api.providers import ActionResult, Continuing, Figuring, Probe, Provider, Reached, Refusal
    from scrimp.api.services import CollectorFactory, ProviderFactory, Services
    from scrimp.api.work import Commit, Committed, DeadLetter, Lease, QueueCounts, WorkQueue
    from scrimp.api.workers import CloudNotice, Control, Report, RunState, Stint, Traits, WorkerChannel
    from scrimp.model.catalogue import (
        ActionSpec,
        Assign,
        Direction,
        Effect,
        FieldSpec,
        KindSpec,
        NoEffect,
        ParamSpec,
        Resize,
    )
    from scrimp.model.decision import PlannedAction, Value
    from scrimp.model.money import Money
    from scrimp.model.types import (
        BOOL,
        BYTES,
        COUNT,
        DURATION,
        PER_SECOND,
        RATIO,
        STRING,
        Type,
        money,
        money_per_hour,
    )

__all__ = [
    "BOOL",
    "BYTES",
    "COUNT",
    "DURATION",
    "PER_SECOND",
    "RATIO",
    "STRING",
    "ActionResult",
    "ActionSpec",
    "Assign",
    "Checkup",
    "CloudNotice",
    "Collected",
    "Collector",
    "CollectorFactory",
    "Commit",
    "Committed",
    "Continuing",
    "Control",
    "DeadLetter",
    "Direction",
    "Effect",
    "Examined",
    "FieldSpec",
    "Figuring",
    "Health",
    "JobGroup",
    "JobRegistry",
    "KindBatch",
    "KindSpec",
    "Lease",
    "Member",
    "Money",
    "NoEffect",
    "OutsideError",
    "ParamSpec",
    "Permission",
    "Permitted",
    "PlannedAction",
    "Probe",
    "ProcessId",
    "Provider",
    "ProviderFactory",
    "QueueCounts",
    "Reached",
    "Refilling",
    "Refusal",
    "Refused",
    "Report",
    "Resize",
    "RunState",
    "SeriesBatch",
    "Services",
    "Stint",
    "TargetGone",
    "Throttled",
    "Traits",
    "Type",
    "Unavailable",
    "Value",
    "Waking",
    "WorkQueue",
    "WorkerChannel",
    "money",
    "money_per_hour",
]

_HOMES = (
    "scrimp.model.types",
    "scrimp.model.money",
    "scrimp.model.catalogue",
    "scrimp.model.decision",
    "scrimp.api.errors",
    "scrimp.api.access",
    "scrimp.api.collectors",
    "scrimp.api.local_jobs",
    "scrimp.api.providers",
    "scrimp.api.services",
    "scrimp.api.work",
    "scrimp.api.workers",
)


def __getattr__(name: str) -> Any:
    """The public name out of the first module that has it; from then on it stands here."""
    if name in __all__:
        for home in _HOMES:
            module = import_module(home)
            if hasattr(module, name):
                globals()[name] = getattr(module, name)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names as well as those looked up so far, for editors and `help`."""
    return sorted({*globals(), *__all__})
