"""Histories with rows of usage that are written directly, for reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.history.fleets import table

from scrimp.history import Folder, History, Part, day_of, table_of
from scrimp.history.rows import Seen, joined, seen_table
from scrimp.model.usage import CPU, GPU, MEMORY, NODE, OTHER, UsageRow, usage_table

START_S = 1_793_491_200  # 2026-11-01
DAY_S = 86_400
HOUR_S = 3_600


def node_hour(
    at_s: int,
    node: str,
    micro: int,
    jobs: Sequence[tuple[str, float, float]] = (),
    **more: Any,
) -> list[UsageRow]:
    """One hour of a machine of four cores that is billed as a whole; jobs are name, cores given, cores used."""
    shared = {"start_s": at_s, "end_s": at_s + HOUR_S, "node": node, **more}
    work = {"operation": "mel", "team": "audio"}
    return [
        UsageRow(**shared, resource=NODE, billed_micro=micro, capacity=1.0),
        UsageRow(**shared, resource=CPU, capacity=4.0),
        *(UsageRow(**shared, **work, job=job, resource=CPU, allocated=a, used=u) for job, a, u in jobs),
    ]


def history(root: Path, rows: Sequence[UsageRow], source: str = "measured") -> History:
    """A history with these rows in it, a file per day; rows of one hour of one node lie together."""
    folder = Folder(root / "history")
    folder.open()
    days: dict[int, list[UsageRow]] = {}
    for row in sorted(rows, key=lambda one: (one.start_s, one.node, one.currency)):
        days.setdefault(row.start_s // DAY_S, []).append(row)
    for mine in days.values():
        folder.write(Part("usage", source, day_of(mine[0].start_s)), table_of(usage_table(mine)))
    return History(folder, "USD")


def sampled(folder: Folder, ticks: Mapping[float, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> None:
    """Samples into a history as the recorder writes them: by tick, kind, name and field."""
    days: dict[Part, list[Any]] = {}
    for at_s, kinds in ticks.items():
        for kind, rows in kinds.items():
            part = Part("samples", kind, day_of(at_s))
            days.setdefault(part, []).append(seen_table(Seen(table(kind, rows), at_s, float("-inf"))))
    for part, tables in days.items():
        folder.write(part, joined(tables))


AMOUNT = st.floats(0, 64, allow_subnormal=False)
CHARGES = st.builds(
    dict,
    start_s=st.integers(0, 49).map(lambda hour: START_S + hour * HOUR_S),
    node=st.sampled_from(["a", "b", "c"]),
    resource=st.sampled_from([NODE, CPU, GPU, MEMORY, OTHER]),
    pool=st.sampled_from(["", "p"]),
    purchase_option=st.sampled_from(["", "spot", "on_demand"]),
    currency=st.sampled_from(["USD", "EUR"]),
    capacity=AMOUNT,
    billed_micro=st.integers(-(10**9), 10**10),
)
WORK = st.builds(
    dict,
    start_s=st.integers(0, 49).map(lambda hour: START_S + hour * HOUR_S),
    node=st.sampled_from(["a", "b", "c"]),
    resource=st.sampled_from([CPU, GPU, MEMORY]),
    job=st.sampled_from(["j", "k", "l"]),
    operation=st.sampled_from(["", "mel", "mfcc"]),
    team=st.sampled_from(["", "x", "y"]),
    currency=st.sampled_from(["USD", "EUR"]),
    allocated=AMOUNT,
    used=AMOUNT | st.just(float("nan")),
)
ROWS = st.lists((CHARGES | WORK).map(lambda row: UsageRow(end_s=row["start_s"] + HOUR_S, **row)), max_size=40)
