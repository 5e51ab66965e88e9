"""What a computation over rows gives: three kinds of columns, each with what is unknown in it.

Arrays have shape (rows,), or (1,) where the value is the same for every row; NumPy's broadcasting does the rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int32]

YES = np.ones(1, dtype=np.bool_)
NO = np.zeros(1, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Truths:
    """Three-valued truth: `true` and `false` are never both set; a row with neither is unknown."""

    true: Bools
    false: Bools

    @property
    def unknown(self) -> Bools:
        """Rows that are neither."""
        unknown: Bools = ~(self.true | self.false)
        return unknown


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers in canonical units, arbitrary where not `valid`."""

    values: Floats
    valid: Bools


@dataclass(frozen=True, slots=True)
class Texts:
    """Strings as codes into `words`, arbitrary where not `valid`."""

    codes: Codes
    valid: Bools
    words: tuple[str, ...]


Result = Truths | Numbers | Texts

UNKNOWN_TRUTH = Truths(NO, NO)
UNKNOWN_NUMBER = Numbers(np.full(1, np.nan), NO)
UNKNOWN_TEXT = Texts(np.full(1, -1, dtype=np.int32), NO, ())


def conjunction(one: Truths, other: Truths) -> Truths:
    """Strong Kleene `and`."""
    return Truths(one.true & other.true, one.false | other.false)


def disjunction(one: Truths, other: Truths) -> Truths:
    """Strong Kleene `or`."""
    return Truths(one.true | other.true, one.false & other.false)


def negation(one: Truths) -> Truths:
    """Strong Kleene `not`."""
    return Truths(one.false, one.true)


def known(result: Result) -> Bools:
    """Which rows have a value."""
    if isinstance(result, Truths):
        defined: Bools = result.true | result.false
        return defined
    return result.valid


def finite(values: Floats, valid: Bools) -> Numbers:
    """Numbers in which what came out infinite or undefined is unknown."""
    return Numbers(values, valid & np.isfinite(values))


def recode(texts: Texts, words: tuple[str, ...]) -> Codes:
    """The codes of `texts` in another dictionary; -1 for a word that is not in it."""
    if texts.words is words:
        return texts.codes
    place = {word: code for code, word in enumerate(words)}
    table = np.array([place.get(word, -1) for word in texts.words] or [-1], dtype=np.int32)
    return table[np.clip(texts.codes, 0, len(table) - 1)]


def at(result: Result, row: int) -> float | bool | str | None:
    """The value of one row; `None` where it is unknown."""
    if isinstance(result, Truths):
        if result.true[row if result.true.size > 1 else 0]:
            return True
        return False if result.false[row if result.false.size > 1 else 0] else None
    valid = result.valid[row if result.valid.size > 1 else 0]
    if not valid:
        return None
    if isinstance(result, Numbers):
        return float(result.values[row if result.values.size > 1 else 0])
    return result.words[int(result.codes[row if result.codes.size > 1 else 0])]
