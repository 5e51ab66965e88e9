"""Random fleets for property tests: whole groups of usage, with everything that bills and meters get wrong."""

from dataclasses import replace

from hypothesis import strategies as st

from scrimp.model.costs import PriceBook, PriceVector
from scrimp.model.usage import NODE, OTHER, RESOURCES, UsageRow, UsageTable, usage_table

QUANTITIES = st.one_of(
    st.sampled_from([0.0, 1.0, 0.25, 8.0, 1e-9]), st.floats(0, 1e4, allow_nan=False, allow_subnormal=False)
)
METERED = st.one_of(QUANTITIES, st.sampled_from([float("nan"), -1.0]))
BILLS = st.one_of(st.integers(-10, 10), st.integers(-(10**6), 10**10), st.just(3 * 10**15))
TEXTS = st.sampled_from(["a", "b", ""])


@st.composite
def node_hours(draw: st.DrawFn) -> list[UsageRow]:
    """One charge period of one node: its bill whole or by resource, its capacity, and who was given what."""
    hour = draw(st.integers(0, 40))
    shared = UsageRow(
        hour * 3600,
        hour * 3600 + 3600,
        node=f"n{draw(st.integers(0, 3))}",
        pool=draw(TEXTS),
        instance_type=draw(st.sampled_from(["m5.xlarge", "p4d", "?"])),
        purchase_option=draw(st.sampled_from(["spot", "on_demand", "reserved"])),
        currency=draw(st.sampled_from(["USD", "EUR"])),
    )
    resources = draw(st.lists(st.sampled_from(RESOURCES), unique=True, max_size=4))
    rows = []
    if draw(st.booleans()):
        rows.append(replace(shared, resource=NODE, billed_micro=draw(BILLS)))
    if draw(st.booleans()):
        rows.append(replace(shared, resource=OTHER, billed_micro=draw(BILLS)))
    for resource in resources:
        billed = draw(st.one_of(st.just(0), BILLS))
        rows.append(
            replace(
                shared,
                resource=resource,
                capacity=draw(METERED),
                allocated=draw(st.one_of(st.just(0.0), METERED)),
                billed_micro=billed,
            )
        )
        rows.extend(
            replace(
                shared,
                resource=resource,
                job=f"job-{draw(st.integers(0, 4))}",
                operation=draw(TEXTS),
                team=draw(TEXTS),
                policy=draw(TEXTS),
                allocated=draw(METERED),
                used=draw(METERED),
            )
            for _ in range(draw(st.integers(0, 3)))
        )
    return rows


@st.composite
def fleets(draw: st.DrawFn, most: int = 6) -> UsageTable:
    """Some node-hours, each (hour, node) once, with their rows in any order."""
    hours = draw(st.lists(node_hours(), max_size=most))
    rows = [row for hour in hours for row in hour]
    return usage_table(draw(st.permutations(rows)))


@st.composite
def price_books(draw: st.DrawFn) -> PriceBook:
    """Vectors for some of the instance types, perhaps with resources that are worth nothing."""
    worth = st.dictionaries(st.sampled_from(RESOURCES), st.sampled_from([0.0, 0.01, 1.0, 30.0]))
    types = draw(st.lists(st.sampled_from(["m5.xlarge", "p4d"]), unique=True))
    return PriceBook({name: PriceVector("USD", draw(worth), "catalogue") for name in types})
