"""Sums and shares in integers: what is divided adds up to what there was, to the last millionth.

Method: largest remainder (Hamilton's apportionment): each share is rounded down, and what is left over goes, one unit
each, to the shares that lost most. Vectorised over groups that lie one after another.
"""

import numpy as np

from scrimp.model.usage import Floats, Integers


def apportion(amounts: Integers, weights: Floats, groups: Integers) -> Integers:
    """Divide `amounts[g]` over the entries of group g in proportion to their weights, exactly.

    `groups` gives each entry's group, ascending; `weights` are positive and finite. An amount may be negative. Every group
    with an amount has at least one entry, or its amount is lost: see to that before. Returns an integer per entry.
    """
    if not len(weights):
        return np.zeros(0, dtype=np.int64)
    count = len(amounts)
    exact = weights / np.bincount(groups, weights, count)[groups]
    exact *= amounts[groups]
    floor = np.floor(exact)
    shares = floor.astype(np.int64)
    left = amounts - sums(groups, shares, count)  # INVARIANT: 0 <= left < entries, but for float error of one
    entries = np.bincount(groups, minlength=count)
    # One sort by (group, remainder descending): the group's number is the whole part of the key.
    exact -= floor
    exact *= -0.5
    exact += groups + 0.5
    order = np.argsort(exact, kind="stable")
    every, some = np.divmod(left, np.maximum(entries, 1))
    # The sort leaves every entry in its group's place: the first `some` of each get one more.
    more = np.arange(len(groups)) < np.repeat(np.cumsum(entries) - entries + some, entries)
    shares[order[more]] += 1
    if every.any():
        shares += every[groups]
    return shares


def sums(groups: Integers, values: Integers, count: int) -> Integers:
    """The exact sum of integer `values` in each of `count` groups."""
    found = np.zeros(count, dtype=np.int64)
    np.add.at(found, groups, values)
    return found


def known_amounts(values: Floats) -> Floats:
    """Quantities as they can be: not negative, and 0 where none is known."""
    return np.where((values > 0) & (values < np.inf), values, 0.0)  # nan is neither
