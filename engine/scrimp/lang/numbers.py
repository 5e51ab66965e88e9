"""Numbers with units: their exact value, and what somebody probably meant by a malformed one."""

import re
from fractions import Fraction
from itertools import pairwise

from scrimp.diagnostics import Span
from scrimp.lang.ast import Quantity, Unit

_SECONDS: dict[str, int | Fraction] = {
    "ms": Fraction(1, 1000),
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d|w)")
_DIGITS = re.compile(r"[0-9_]+(?:\.[0-9]+)?")

# What people write for a unit -> the unit.
_ALIASES = {
    "ms": ("msec", "msecs", "millis", "millisecond", "milliseconds"),
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "w": ("wk", "week", "weeks"),
    "%": ("percent", "pct", "perc"),
    "kB": ("kb", "k"),
    "MB": ("mb",),
    "GB": ("gb", "g"),
    "TB": ("tb", "t"),
    "KiB": ("kib", "ki"),
    "MiB": ("mib", "mi"),
    "GiB": ("gib", "gi"),
    "TiB": ("tib", "ti"),
}
_UNITS = {alias: unit for unit, aliases in _ALIASES.items() for alias in (*aliases, unit.lower())}
_MALFORMED = re.compile(r"(?P<digits>[0-9]+(?:\.[0-9]+)?)(?P<unit>[A-Za-z%]+)")


def quantity(kind: str, text: str, span: Span) -> Quantity:
    """The value of a literal whose terminal is `kind`; one that is broken counts as 0."""
    if kind == "DURATION":
        seconds = sum(int(n) * _SECONDS[unit] for n, unit in _PART.findall(text))
        return Quantity(span, text, Fraction(seconds), "duration")
    found = _DIGITS.search(text)
    if found is None or kind == "BROKEN":
        return Quantity(span, text, Fraction(0), "count")
    digits = found.group().replace("_", "")
    number = Fraction(digits if "." in digits else int(digits))
    if kind == "PERCENT":
        return Quantity(span, text, number / 100, "ratio")
    if kind == "BYTES":
        return Quantity(span, text, number * _BYTES[text[found.end() :]], "bytes")
    if kind in ("MONEY", "RATE"):
        unit: Unit = "money/h" if kind == "RATE" else "money"
        per_hour = number / 24 if kind == "RATE" and text.endswith("d") else number
        return Quantity(span, text, per_hour, unit, _CURRENCIES[text[0]])
    return Quantity(span, text, number, "count")


def mend_number(text: str) -> str | None:
    """What was probably meant: `30min` -> `30m`, `1.5h` -> `1h30m`, `30m2h` -> `2h30m`; None without a guess."""
    if _PART.fullmatch(text):
        return text
    parts = _PART.findall(text)
    if parts and "".join(n + unit for n, unit in parts) == text:
        order = list(_SECONDS)
        ranks = [order.index(unit) for _, unit in parts]
        if all(left > right for left, right in pairwise(ranks)):
            return text
        return _duration(quantity("DURATION", text, Span(0, 0)).value)
    match = _MALFORMED.fullmatch(text)
    if match is None:
        return None
    unit = unit_meant(match["unit"])
    if unit is None:
        return None
    if unit in _SECONDS and "." in match["digits"]:
        return _duration(Fraction(match["digits"]) * _SECONDS[unit])
    return match["digits"] + unit


def unit_meant(word: str) -> str | None:
    """The unit that a word such as `minutes` stands for."""
    return word if word in _SECONDS or word in _BYTES else _UNITS.get(word.lower())


def _duration(seconds: Fraction) -> str | None:
    """A duration in its units, the largest first; None where it is no whole number of milliseconds."""
    text = ""
    for unit, size in sorted(_SECONDS.items(), key=lambda pair: -pair[1]):
        count, seconds = divmod(seconds, size)
        if count:
            text += f"{count}{unit}"
    return (text or "0s") if not seconds else None
