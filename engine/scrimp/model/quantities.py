"""Quantities written as text in JSON and YAML: `"15m"`, `"16GiB"`, `"$4.20/h"`, `"80%"`, read exactly, for a type.

The same units as in policies. Files that people write by hand are read with this; policies are read by `lang`.
"""

import math
import re
from fractions import Fraction
from typing import Final

from scrimp.model.money import SYMBOLS
from scrimp.model.types import RATIO, Type

TIME_UNITS: Final = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
    "w": Fraction(604800),
}
DATA_UNITS: Final = {
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate(("k", "M", "G", "T", "P"), start=1)},
    "KB": 1000,
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T", "P"), start=1)},
}
_NUMBER = r"\d[\d_]*(?:\.\d+)?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+")
_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_BYTES = re.compile(rf"({_NUMBER}) ?([kKMGTP]?i?B)")
_MONEY = re.compile(rf"([^\d\s.]|[A-Z]{{3}} )({_NUMBER})")
_PLAIN = re.compile(rf"{_NUMBER}(?:e[+-]?\d+)?")


def quantity(text: str, wanted: Type) -> float | None:
    """The value of `text` in the canonical unit of `wanted`; `None` if it is no such quantity, or too large for a float."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text)
    exact = _exact(body.strip(), wanted)
    if exact is None:
        return None
    try:
        return sign * float(exact)
    except OverflowError:
        return None


def duration_s(text: str) -> float | None:
    """Seconds of `"1h30m"`; `None` if that is no duration."""
    exact = _seconds(text)
    return None if exact is None else float(exact)


def money_amount(text: str) -> tuple[Fraction, str] | None:
    """Amount and currency of `"$4.20"`, `"EUR 3"`."""
    found = _MONEY.fullmatch(text)
    if found is None:
        return None
    mark = found[1].strip()
    currency = {symbol: code for code, symbol in SYMBOLS.items()}.get(mark, mark)
    return (_number(found[2]), currency) if len(currency) == 3 else None


def _exact(text: str, wanted: Type) -> Fraction | None:
    if wanted.money == 1 and wanted.data == 0:
        return _money(text, wanted)
    if wanted.time == -1:  # "100MiB/s"
        per = text.removesuffix("/s")
        inner = Type(wanted.base, data=wanted.data)
        return _exact(per, inner) if per != text or not wanted.data else None
    match wanted.dimension:
        case (1, 0, 0):
            return _seconds(text)
        case (0, 1, 0):
            found = _BYTES.fullmatch(text)
            return _number(found[1]) * DATA_UNITS[found[2]] if found and found[2] in DATA_UNITS else None
        case (0, 0, 0) if wanted == RATIO and text.endswith("%"):
            body = text[:-1].strip()
            return Fraction(body.replace("_", "")) / 100 if _PLAIN.fullmatch(body) else None
        case (0, 0, 0):
            return Fraction(text.replace("_", "")) if _PLAIN.fullmatch(text) else None
    return None


def _money(text: str, wanted: Type) -> Fraction | None:
    body, slash, per = text.partition("/")
    found = money_amount(body)
    if found is None or found[1] != wanted.currency or bool(slash) != (wanted.time == -1):
        return None
    hours = {"h": Fraction(1), "d": Fraction(24), "m": Fraction(1, 60), "s": Fraction(1, 3600)}
    if not slash:
        return found[0]
    return found[0] / hours[per] if per in hours else None


def _seconds(text: str) -> Fraction | None:
    if not _DURATION.fullmatch(text):
        return None
    return sum((_number(part[1]) * TIME_UNITS[part[2]] for part in _PART.finditer(text)), Fraction(0))


def _number(text: str) -> Fraction:
    return Fraction(text.replace("_", ""))


def duration_text(seconds: float) -> str:
    """A duration as `quantity` reads it back: whole units where they fit, else seconds."""
    if not math.isfinite(seconds) or seconds <= 0 or seconds != int(seconds):
        return f"{seconds!r}s"
    left, parts = int(seconds), ""
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(TIME_UNITS[unit]))
        parts += f"{count}{unit}" if count else ""
    return parts
