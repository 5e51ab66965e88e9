"""Types and units of the language's values.

A number has a dimension: powers of time, data and money. Counts and ratios are both without dimension, and told
apart. The canonical unit of a dimension is seconds and bytes; where money is in it, time is in hours, since money
per hour is what people write and clouds quote: `$4.20/h` is 4.2. `unit_factor` bridges the two.
"""

from enum import Enum

from msgspec import Struct

SECONDS_PER_HOUR = 3600.0


class Base(Enum):
    """What a value is made of."""

    BOOL = "bool"
    STRING = "string"
    LABELS = "labels"
    NUMBER = "number"


class Type(Struct, frozen=True):
    """The type of a value; the powers and `currency` are for numbers only."""

    base: Base
    time: int = 0
    data: int = 0
    money: int = 0
    currency: str | None = None
    ratio: bool = False

    @property
    def is_number(self) -> bool:
        """Whether arithmetic and order apply."""
        return self.base is Base.NUMBER

    @property
    def dimension(self) -> tuple[int, int, int]:
        """Powers of time, data and money."""
        return (self.time, self.data, self.money)

    @property
    def time_unit_s(self) -> float:
        """The canonical unit of time in this dimension, in seconds."""
        return SECONDS_PER_HOUR if self.money else 1.0

    def __str__(self) -> str:
        if not self.is_number:
            return self.base.value
        named = _NAMES.get((self.dimension, self.ratio))
        if named is not None:
            return named
        over = [_power(name, power) for name, power in self._powers() if power > 0]
        under = [_power(name, -power) for name, power in self._powers() if power < 0]
        return " · ".join(over or ["1"]) + "".join(f"/{name}" for name in under)

    def _powers(self) -> tuple[tuple[str, int], ...]:
        return (("money", self.money), ("bytes", self.data), ("h" if self.money else "s", self.time))


def _power(name: str, power: int) -> str:
    return name if power == 1 else f"{name}^{power}"


BOOL = Type(Base.BOOL)
STRING = Type(Base.STRING)
LABELS = Type(Base.LABELS)
COUNT = Type(Base.NUMBER)
RATIO = Type(Base.NUMBER, ratio=True)
DURATION = Type(Base.NUMBER, time=1)
BYTES = Type(Base.NUMBER, data=1)
PER_SECOND = Type(Base.NUMBER, time=-1)


def money(currency: str) -> Type:
    """An amount of a currency."""
    return Type(Base.NUMBER, money=1, currency=currency)


def money_per_hour(currency: str) -> Type:
    """A cost rate in a currency."""
    return Type(Base.NUMBER, money=1, time=-1, currency=currency)


_NAMES = {
    ((0, 0, 0), False): "count",
    ((0, 0, 0), True): "ratio",
    ((1, 0, 0), False): "duration",
    ((0, 1, 0), False): "bytes",
    ((0, 0, 1), False): "money",
    ((-1, 0, 1), False): "money/h",
    ((-1, 0, 0), False): "count/s",
    ((-1, 1, 0), False): "bytes/s",
}


def named_type(name: str, currency: str) -> Type | None:
    """The type written as `name` in a policy or a catalogue; `None` if there is no such type."""
    simple = {
        "bool": BOOL,
        "string": STRING,
        "labels": LABELS,
        "count": COUNT,
        "ratio": RATIO,
        "duration": DURATION,
        "bytes": BYTES,
        "money": money(currency),
        "money/h": money_per_hour(currency),
        "count/s": PER_SECOND,
        "bytes/s": Type(Base.NUMBER, data=1, time=-1),
    }
    return simple.get(name)


def product(left: Type, right: Type) -> Type | None:
    """The type of `left * right`; `None` where currencies differ."""
    return _combine(left, right, 1)


def quotient(left: Type, right: Type) -> Type | None:
    """The type of `left / right`; `None` where currencies differ.

    Count by count is a count; the quotient of two other equal dimensions is a ratio, and so is a ratio by a count.
    """
    return _combine(left, right, -1)


def _combine(left: Type, right: Type, sign: int) -> Type | None:
    if left.money and right.money and left.currency != right.currency:
        return None
    time, data, amount = (a + sign * b for a, b in zip(left.dimension, right.dimension, strict=True))
    if (time, data, amount) != (0, 0, 0):
        currency = (left.currency or right.currency) if amount else None
        return Type(Base.NUMBER, time=time, data=data, money=amount, currency=currency)
    if left.dimension == (0, 0, 0):
        return RATIO if left.ratio and (right.ratio or sign < 0) else COUNT
    return RATIO if sign < 0 else COUNT


def unit_factor(left: Type, right: Type, result: Type, sign: int) -> float:
    """What the product (`sign` 1) or quotient (-1) of two canonical values is multiplied with to be canonical."""
    seconds = left.time_unit_s**left.time * right.time_unit_s ** (sign * right.time)
    return float(seconds / result.time_unit_s**result.time)
