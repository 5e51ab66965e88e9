"""Values as people read them: `8%`, `$4.20/h`, `5m`, `16GiB`, `12`."""

from scrimp.model.money import SYMBOLS
from scrimp.model.types import Base, Type

_BYTE_UNITS = (("TiB", 1024.0**4), ("GiB", 1024.0**3), ("MiB", 1024.0**2), ("KiB", 1024.0))
_TIME_UNITS = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))


def value_text(value: float | bool | str | None, kind: Type) -> str:  # noqa: PLR0911 - one return per dimension
    """A value of a type; `unknown` for `None`."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if kind.base is not Base.NUMBER:
        return str(value)
    if kind.ratio:
        return f"{_short(value * 100)}%"
    match kind.dimension:
        case (1, 0, 0):
            return _duration(value)
        case (0, 1, 0):
            return _bytes(value)
        case (0, 0, 1):
            return _money(value, kind)
        case (-1, 0, 1):
            return f"{_money(value, kind)}/h"
        case (-1, 1, 0):
            return f"{_bytes(value)}/s"
        case (-1, 0, 0):
            return f"{_short(value)}/s"
    return _short(value)


def _short(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def _money(value: float, kind: Type) -> str:
    sign = "-" if value < 0 else ""
    symbol = SYMBOLS.get(kind.currency or "", f"{kind.currency} ")
    amount = abs(value)
    text = f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else f"{amount:.3g}"
    return f"{sign}{symbol}{text}"


def _bytes(value: float) -> str:
    for name, size in _BYTE_UNITS:
        if abs(value) >= size:
            return f"{_short(value / size)}{name}"
    return f"{_short(value)}B"


def _duration(value: float) -> str:
    sign, left = ("-", -value) if value < 0 else ("", value)
    if left < 1:
        return f"{sign}{_short(left * 1000)}ms" if left else "0s"
    if left < 60:
        return f"{sign}{_short(left)}s"
    parts = []
    left = round(left)
    for name, size in _TIME_UNITS:
        count, left = divmod(left, int(size))
        if count:
            parts.append(f"{count}{name}")
    return sign + "".join(parts[:2])
