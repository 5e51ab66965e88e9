"""What `scrimp.yaml` says, typed, with the defaults of a project that has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from scrimp.model.catalogue import CURRENCY_DEFAULT
from scrimp.model.decision import Mode


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text with environment variables filled in; it never shows itself.

    No `Struct`, whose fields printers can ask for behind its back.
    """

    _text: str

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


class Section(Struct, frozen=True):
    """One collector or provider: its plug-in (`type`) and its own options. Durations of the section are in seconds."""

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    deadline_s: float | None = None
    interval_s: float | None = None

    def __repr__(self) -> str:
        return f"Section({self.name!r}, {self.type!r})"  # options may hold secrets


class Webhook(Struct, frozen=True):
    """A target of alerts. The address and the headers may hold secrets."""

    name: str
    url: Secret
    headers: Mapping[str, Secret] = field(default_factory=dict)


class Keep(Struct, frozen=True):
    """How long the history is kept: samples, and usage with prices and acts; `max_bytes` bounds it all."""

    samples_s: float = 14 * 86400.0
    usage_s: float = 400 * 86400.0
    max_bytes: int | None = None


class BudgetSettings(Struct, frozen=True):
    """One budget: `limit` in the configuration's currency for each period, of costs by dimensions (`where`).

    `label` names a label that stands for the dimension `team` in `where`. `actual`, `forecast` and `rearm` are shares of the
    limit, `burn` a pace in units of the planned one. `unit_cost` is a rise of the cost per item, over the last
    `unit_cost_over_s`, against `unit_cost_against_s` before. `to` is the webhook that is told.
    """

    name: str
    limit: float
    per: Literal["day", "week", "month", "quarter", "year"] = "month"
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label: str | None = None
    to: str = ""
    actual: tuple[float, ...] = (0.5, 0.8, 1.0)
    forecast: float = 1.0
    burn: float = 3.0
    unit_cost: float = 0.15
    unit_cost_over_s: float = 86_400.0
    unit_cost_against_s: float = 7 * 86_400.0
    rearm: float = 0.05


class Config(Struct, frozen=True):
    """All of it. `mode_cap` is `None` where nothing caps the modes of policies."""

    policies: Path
    store: Path
    currency: str = CURRENCY_DEFAULT
    mode_cap: Mode | None = None
    interval_s: float = 30.0
    deadline_s: float = 10.0
    action_deadline_s: float = 60.0
    mass_zero: int = 10
    price_per_core_hour: float | None = None  # in `currency`
    allow_run_command: bool = False
    params: Mapping[str, str] = field(default_factory=dict)  # as written in a policy
    collectors: tuple[Section, ...] = ()
    providers: tuple[Section, ...] = ()
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    keep: Keep = field(default_factory=Keep)
    budgets: tuple[BudgetSettings, ...] = ()
    # Idle below, and busy above, by resource: what reports advise on.
    marks: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: dict.fromkeys(("gpu", "cpu", "memory", "storage"), (0.5, 0.9))
    )
    approvers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # users by "@group"
    calendars: Mapping[str, Path] = field(default_factory=dict)  # iCalendar files by their names in policies
    path: Path | None = None

    @property
    def folder(self) -> Path:
        """Where `scrimp.yaml` stands, or would."""
        return self.path.parent if self.path is not None else self.policies.parent


def barred(groups: Mapping[str, tuple[str, ...]], named: Sequence[str], user: str) -> str:
    """Why `user` may not answer a request of a policy whose `approvers` are `named`; "" if they may.

    Without `named`, all members of all groups may, and where there are no groups, anyone.
    """
    if not named:
        everybody = {one for members in groups.values() for one in members}
        return (
            ""
            if user in everybody or not groups
            else f"`{user}` is in no group of `approvers` in scrimp.yaml"
        )
    members = {one for name in named for one in (groups.get(name, ()) if name.startswith("@") else (name,))}
    if user in members:
        return ""
    lost = [name for name in named if name.startswith("@") and name not in groups]
    also = f"; {', '.join(f'`{name}`' for name in lost)} has no members in scrimp.yaml" if lost else ""
    return f"`{user}` is not among {', '.join(f'`{name}`' for name in named)}{also}"


def defaults(folder: Path) -> Config:
    """What holds in a folder without `scrimp.yaml`."""
    return Config(folder / "policies", folder / ".scrimp")
