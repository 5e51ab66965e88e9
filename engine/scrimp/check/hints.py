"""Advice that findings share."""

from collections.abc import Iterable

from scrimp.diagnostics import did_you_mean
from scrimp.model.types import Type

ONE_CURRENCY = "write all amounts in one currency: the one that scrimp.yaml names, or the snapshot"


def near(word: str, options: Iterable[str]) -> str:
    """`did you mean …?`, or nothing."""
    found = did_you_mean(word, options)
    return f"did you mean `{found}`?" if found else ""


def example_of(wanted: Type) -> str:
    """How a value of a type is written."""
    symbol = {"USD": "$", "EUR": "€", "GBP": "£"}.get(wanted.currency or "", "$")
    return {
        "ratio": "50%",
        "duration": "5m",
        "bytes": "16GiB",
        "money": f"{symbol}5",
        "money/h": f"{symbol}5/h",
        "count": "10",
        "count/s": "10 / 1s",
        "bytes/s": "1GiB / 1s",
        "bool": "true",
        "string": '"text"',
    }.get(str(wanted), "10")
