"""The nouns of a report, and one pass over usage that gives them: every figure is a sum of the same split rows.

Usage comes in pieces, each with whole charge periods of whole nodes; each is split, filtered and grouped, and the groups
are added. So a report of any size takes the memory of one piece.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scrimp.costs import PERIOD, BillShares, group_costs, groupings, merge_groups, select, split_costs
from scrimp.model.costs import PARTS, CostGroups, CostTable, PriceBook
from scrimp.model.usage import MICRO, NODE, Floats, Integers, Period, UsageTable

BREAKDOWNS: Final = ("resource", "operation", "job", "team", "pool", "node", "policy")
_FINE: Final = ("resource", "operation", "team", "pool", "policy")
_TOGETHER: Final = 4  # sums of pieces in memory beside their total
TYPES: Final = ("pool", "instance_type", "purchase_option")
POOLS: Final = ("pool", "resource")
BLIND: Final = ("node", *POOLS)
_SINGLE: Final = tuple(name for name in BREAKDOWNS if name not in _FINE)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: rows of `period` whose dimensions have one of the texts in `where`; sums over time by `bins`.

    `by` are dimensions that are wanted beside the usual `BREAKDOWNS`, alone or together; `types` asks for sums by `TYPES` too.
    """

    period: Period
    bins: tuple[Period, ...]
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    breakdowns: tuple[str, ...] = BREAKDOWNS
    types: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not known, of the rows of one currency.

    `not_measured_micro` is cost whose use nobody measured: it counts as used, because idle is never claimed where nobody
    looked. `unpriced_hours` are hours of nodes without a price, of all `node_hours`: they are in no sum.
    """

    not_measured_micro: int = 0
    unpriced_hours: float = 0.0
    node_hours: float = 0.0

    def __add__(self, other: "Doubt") -> "Doubt":
        return Doubt(
            self.not_measured_micro + other.not_measured_micro,
            self.unpriced_hours + other.unpriced_hours,
            self.node_hours + other.node_hours,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """All sums that a report shows. `over_time` is grouped by period and resource; `doubts` are by currency.

    `pools` are by pool and resource; `unmeasured` is what counts as used because nobody measured it, by node, pool, resource.
    """

    breakdowns: Mapping[str, CostGroups]
    over_time: CostGroups
    pools: CostGroups
    unmeasured: CostGroups
    types: CostGroups
    asked: CostGroups
    doubts: Mapping[str, Doubt]
    rows: int

    def total(self, currency: str) -> tuple[int, int, int, int]:
        """The four parts of the bill, in millionths."""
        return parts_of(self.over_time, lambda key: key[-1] == currency)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Those that anything was billed in, or that any row has."""
        return tuple(sorted({key[-1] for key in self.over_time.keys}))


def parts_of(groups: CostGroups, wanted: Callable[[tuple[str, ...]], bool]) -> tuple[int, int, int, int]:
    """The sums of the four parts over the groups whose key is wanted."""
    rows = [at for at, key in enumerate(groups.keys) if wanted(key)]
    used, workload, pool, overhead = (int(groups.part(name)[rows].sum()) if rows else 0 for name in PARTS)
    return used, workload, pool, overhead


@dataclass(frozen=True, slots=True)
class Sums:
    """The groups of one piece, or of several that were added."""

    fine: CostGroups
    single: Mapping[str, CostGroups]
    types: CostGroups
    asked: CostGroups
    unmeasured: CostGroups
    doubts: Mapping[str, Doubt]
    rows: int


def figures_of(
    pieces: Iterable[UsageTable], question: Question, book: PriceBook, shares: BillShares
) -> Figures:
    """The figures of usage that comes in pieces."""
    return finished(added(sums_of(piece, question, book, shares) for piece in pieces), question)


def sums_of(usage: UsageTable, question: Question, book: PriceBook, shares: BillShares) -> Sums:
    """The groups of one piece. It is split before it is filtered, so that no group loses a row of its bill."""
    return sums_of_costs(split_costs(usage, book, shares), question)


def sums_of_costs(costs: CostTable, question: Question, stand_for: Integers | None = None) -> Sums:
    """The groups of costs that are split already; `stand_for` is of how many rows each is the sum, one if not given."""
    hit = select(costs.usage, question.where, question.period)
    if not hit.all():
        costs, stand_for = costs.take(hit), None if stand_for is None else stand_for[hit]
    single = [name for name in _SINGLE if name in question.breakdowns]
    others = [
        *((name,) for name in single),
        *([question.by] if question.by else []),
        *([TYPES] if question.types else []),
    ]
    fine, *found = groupings(costs, [(PERIOD, *_fine(question)), *others], question.bins)
    types = found.pop() if question.types else nothing(TYPES)
    asked = found.pop() if question.by else nothing(())
    rows = len(costs) if stand_for is None else int(stand_for.sum())
    blind = np.isnan(costs.usage.used) & ~costs.usage.is_charge()
    unmeasured = group_costs(costs.take(blind), BLIND) if blind.any() else nothing(BLIND)
    return Sums(fine, dict(zip(single, found, strict=True)), types, asked, unmeasured, _doubts(costs), rows)


def added(found: Iterable[Sums]) -> Sums:
    """The groups of many pieces, a few at a time, so that they are never all in memory."""
    total: Sums | None = None
    waiting: list[Sums] = []
    for one in found:
        waiting.append(one)
        if len(waiting) >= _TOGETHER:
            total, waiting = _together([*([total] if total else []), *waiting]), []
    every = [*([total] if total else []), *waiting]
    if every:
        return _together(every)
    return Sums(nothing(()), {}, nothing(TYPES), nothing(()), nothing(BLIND), {}, 0)


def _together(sums: Sequence[Sums]) -> Sums:
    doubts: dict[str, Doubt] = {}
    for one in sums:
        for currency, doubt in one.doubts.items():
            doubts[currency] = doubts.get(currency, Doubt()) + doubt
    return Sums(
        merge_groups(one.fine for one in sums),
        {name: merge_groups(one.single[name] for one in sums) for name in sums[0].single},
        merge_groups(one.types for one in sums),
        merge_groups(one.asked for one in sums),
        merge_groups(one.unmeasured for one in sums),
        doubts,
        sum(one.rows for one in sums),
    )


def finished(sums: Sums, question: Question) -> Figures:
    """The breakdowns, from the fine groups where they hold them."""
    breakdowns = {
        name: sums.single[name] if name in sums.single else marginal(sums.fine, (name,))
        for name in question.breakdowns
    }
    return Figures(
        breakdowns,
        marginal(sums.fine, (PERIOD, "resource")),
        _pools(sums.fine),
        sums.unmeasured,
        sums.types,
        sums.asked,
        sums.doubts,
        sums.rows,
    )


def _pools(fine: CostGroups) -> CostGroups:
    return marginal(fine, POOLS) if "pool" in fine.by else nothing(POOLS)


def marginal(groups: CostGroups, by: Sequence[str]) -> CostGroups:
    """Groups by some of their dimensions only."""
    wanted = (*by, "currency")
    if not len(groups):
        return nothing(wanted)
    places = [groups.by.index(name) for name in wanted]
    keys = [tuple(key[place] for place in places) for key in groups.keys]
    distinct = sorted(set(keys))
    number = {key: at for at, key in enumerate(distinct)}
    at = np.array([number[key] for key in keys], dtype=np.int64)

    def whole(values: Integers) -> Integers:
        found = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(found, at, values)
        return found

    def real(values: Floats) -> Floats:
        return np.bincount(at, values, len(distinct)).astype(np.float64)

    used, workload, pool, overhead = (whole(groups.part(name)) for name in PARTS)
    amounts = [real(values) for values in (groups.capacity, groups.allocated, groups.used)]
    return CostGroups(wanted, tuple(distinct), used, workload, pool, overhead, *amounts)


def _fine(question: Question) -> tuple[str, ...]:
    return tuple(name for name in _FINE if name == "resource" or name in question.breakdowns)


def _doubts(costs: CostTable) -> dict[str, Doubt]:
    usage = costs.usage
    unmeasured = np.where(np.isnan(usage.used), costs.used_micro, 0)
    machines = usage.is_charge() & usage.resource.equals(NODE)
    hours = np.where(machines, usage.capacity, 0.0)
    unpriced = np.where(usage.billed_micro == 0, hours, 0.0)
    found = {}
    for code, currency in enumerate(usage.currency.names):
        mine = usage.currency.codes == code
        if mine.any():
            found[currency] = Doubt(
                int(unmeasured[mine].sum()), float(unpriced[mine].sum()), float(hours[mine].sum())
            )
    return found


def nothing(by: tuple[str, ...]) -> CostGroups:
    """No groups, by these dimensions."""
    none, zero = np.zeros(0, dtype=np.int64), np.zeros(0)
    by = by if by[-1:] == ("currency",) else (*by, "currency")
    return CostGroups(by, (), none, none, none, none, zero, zero, zero)


def amount(micro: int) -> float:
    """Millionths as units of the currency."""
    return micro / MICRO
