"""The catalogue: which kinds and fields policies may look at, and which actions they may take.

Kinds and fields come from the data file in `scrimp_schemas` and from a team's `catalog.yaml`; actions from the
providers. What an action does to a row is declared here, not coded, so that a plan, a policy test and a backtest
show the same `before`, `after` and saving without asking any provider.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from scrimp.model.money import Money
from scrimp.model.types import Type

CURRENCY_DEFAULT = "USD"


class FieldSpec(Struct, frozen=True):
    """One typed column of a kind. `minimum` and `maximum` are in the canonical unit; `None` is no bound.

    `per` names the field over whose members the value is a mean: the same work on half of them doubles it.
    """

    name: str
    type: Type
    doc: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    per: str = ""


class KindSpec(Struct, frozen=True):
    """A class of thing that policies look at. A `singleton` has one row, named as the kind."""

    name: str
    doc: str
    fields: Mapping[str, FieldSpec]
    singleton: bool = False


class Direction(Enum):
    """What an action does to what is there; `BY_SIGN` is reduce or restore, as the change turns out."""

    REDUCE = "reduce"
    RESTORE = "restore"
    NEUTRAL = "neutral"
    BY_SIGN = "by_sign"


class ParamSpec(Struct, frozen=True):
    """A parameter of an action. `types` are those it accepts; `choices` restrict a string."""

    name: str
    types: tuple[Type, ...]
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()
    many: bool = False  # a list of values: pools = ["a", "b"] is written as one string with commas


class Resize(Struct, frozen=True):
    """Set a numeric field to `to`, or change it by `by` (a share or a number).

    `sign` -1 never raises the field, +1 never lowers it, 0 does either. The result is rounded up (the side that
    takes less away), clamped to the row's `minimum_field` and `maximum_field` where they are known, and to the
    parameter named in `bound` (`floor` or `ceiling`) where it is given, and never below `lowest`. The saving per hour
    is the decrease times `price_field`.
    """

    field: str
    sign: Literal[-1, 0, 1]
    price_field: str | None = None
    minimum_field: str | None = None
    maximum_field: str | None = None
    bound: Literal["floor", "ceiling"] | None = None
    lowest: float = 0.0


class Assign(Struct, frozen=True):
    """Set a field to a constant, or to the value of the first of `from_fields` that is known.

    Where that value was found for other arguments than this act's, the act would be another one than it seems: `asked_field`
    is a text field with the arguments that it was found for. Where it is known and says something else, the act leaves `field`
    as it is and only puts its own arguments there. `field` may sum up many parts of the target: `open_field` is the number of
    those that are not as they should be, and where it is known, it says whether there is anything to do. The saving per hour is `plus` minus `minus` (fields of money per hour), times `times_field` where it is named;
    `discount` names a field that gives it as a share of `plus` where `minus` is unknown, `age` one that says for how long the
    price that is moved to has been in force.
    """

    field: str
    value: str | bool | None = None
    from_fields: tuple[str, ...] = ()
    asked_field: str | None = None
    open_field: str | None = None
    plus: str | None = None
    minus: str | None = None
    discount: str | None = None
    times_field: str | None = None
    age: str | None = None


class NoEffect(Struct, frozen=True):
    """The action changes no field of the row."""


Effect = Resize | Assign | NoEffect


class ActionSpec(Struct, frozen=True):
    """An action as declared: what `check` verifies and what a plan shows.

    `kinds` empty means any kind. `writes` is the aspect that conflicts are found by; `None` never conflicts.
    `effects` has one entry per kind, or one under `"*"`. `unless` is a boolean field that forbids the action
    while it is true (`critical` for pausing); unknown forbids it too. `inverse` names the action that undoes this one.
    `one_of` are parameters of which exactly one must be given. `disruption` is a weight without unit, and
    `one_off_cost` what acting costs once, if anything.
    """

    name: str
    doc: str
    kinds: tuple[str, ...]
    params: tuple[ParamSpec, ...] = ()
    direction: Direction = Direction.NEUTRAL
    writes: str | None = None
    inverse: str | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict)
    unless: str | None = None
    one_of: tuple[str, ...] = ()
    disruption: float = 1.0
    one_off_cost: Money | None = None
    permissions: tuple[str, ...] = ()

    def effect_on(self, kind: str) -> Effect:
        """What the action does to a row of `kind`."""
        return self.effects.get(kind) or self.effects.get("*") or NoEffect()


class Catalogue(Struct, frozen=True):
    """All kinds and actions that a policy set may use, and the currency that fields of money are in."""

    kinds: Mapping[str, KindSpec]
    actions: Mapping[str, ActionSpec]
    currency: str = CURRENCY_DEFAULT

    def with_actions(self, actions: Mapping[str, ActionSpec]) -> "Catalogue":
        """The same kinds with other actions."""
        return replace(self, actions=actions)
