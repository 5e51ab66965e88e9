"""Random fleets for property tests: whole groups of usage, with everything that bills and meters get wrong.

Drawn from one `random.Random` of Hypothesis, not choice by choice: a fleet has hundreds of choices.
"""

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from scrimp.model.costs import PriceBook, PriceVector
from scrimp.model.usage import NODE, OTHER, RESOURCES, UsageRow, UsageTable, usage_table

TEXTS = ("a", "b", "")


def bill(random: Random) -> int:
    """Nothing, a few millionths, a credit, a usual bill, or more than a float holds exactly together with others."""
    usual = random.randint(-(10**6), 10**10)
    return random.choice([0, random.randint(-10, 10), usual, usual, 3 * 10**15])


def metered(random: Random) -> float:
    """A quantity as meters give it: sometimes not at all, or nonsense."""
    return random.choice(
        [0.0, 1.0, 0.25, 8.0, 1e-9, random.random() * 1e4, random.random(), float("nan"), -1.0]
    )


def node_hour(random: Random) -> list[UsageRow]:
    """One charge period of one node: its bill whole or by resource, its capacity, and who was given what."""
    hour = random.randint(0, 40)
    shared = UsageRow(
        hour * 3600,
        hour * 3600 + 3600,
        node=f"n{random.randint(0, 3)}",
        pool=random.choice(TEXTS),
        instance_type=random.choice(["m5.xlarge", "p4d", "?"]),
        purchase_option=random.choice(["spot", "on_demand", "reserved"]),
        currency=random.choice(["USD", "EUR"]),
    )
    rows = [
        replace(shared, resource=resource, billed_micro=bill(random))
        for resource in (NODE, OTHER)
        if random.random() < 0.5
    ]
    for resource in random.sample(RESOURCES, random.randint(0, 4)):
        system = random.choice([0.0, metered(random)])
        charged = random.choice([0, bill(random)])
        offer = replace(shared, resource=resource, capacity=metered(random))
        rows.append(replace(offer, allocated=system, billed_micro=charged))
        rows.extend(
            replace(
                shared,
                resource=resource,
                job=f"job-{random.randint(0, 4)}",
                operation=random.choice(TEXTS),
                team=random.choice(TEXTS),
                policy=random.choice(TEXTS),
                allocated=metered(random),
                used=metered(random),
            )
            for _ in range(random.randint(0, 3))
        )
    return rows


@st.composite
def fleets(draw: st.DrawFn) -> UsageTable:
    """A few node-hours (one may come twice, which is one bill in two parts), with their rows in any order."""
    random = draw(st.randoms(use_true_random=True))
    rows = [row for _ in range(draw(st.integers(0, 8))) for row in node_hour(random)]
    random.shuffle(rows)
    return usage_table(rows)


@st.composite
def price_books(draw: st.DrawFn) -> PriceBook:
    """Vectors for some of the instance types, perhaps with resources that are worth nothing."""
    random = draw(st.randoms(use_true_random=True))
    return PriceBook(
        {
            name: PriceVector(
                "USD", {resource: random.choice([0.0, 0.01, 30.0]) for resource in RESOURCES}, "catalogue"
            )
            for name in ("m5.xlarge", "p4d")
            if random.random() < 0.5
        }
    )
