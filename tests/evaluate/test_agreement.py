"""The column engine and the naive interpreter agree on random policies over random, incomplete snapshots."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.rows import Row, World, value
from tests.policies import checked

from scrimp.compile import compile_set
from scrimp.evaluate import evaluate
from scrimp.model.ledger import EMPTY_LEDGER
from scrimp.model.snapshot import Column, Series, Snapshot, Table, number_column, text_column, truth_column

NOW_S = 1_763_899_200.0
STEP_S = 60.0
SAMPLES = 6

numbers = st.sampled_from(["size", "queue_depth", "min_size"])
literal = st.integers(0, 4).map(str)
atoms = st.one_of(
    numbers, literal, st.sampled_from(["known(size, else 2)", "max(size, queue_depth)", "min(size, 3)"])
)
sums = st.one_of(
    atoms,
    st.builds("({} {} {})".format, atoms, st.sampled_from("+-*"), atoms),
    st.builds("({} / {})".format, atoms, numbers),
    st.builds(
        "{}(queue_depth) over {}m".format,
        st.sampled_from(["avg", "min", "max", "sum", "count", "last", "p50", "increase"]),
        st.integers(2, 6),
    ),
    st.builds(
        "count(job where job.group == node_group.name and job.{})".format,
        st.sampled_from(["critical", "batch_size > 1"]),
    ),
    st.builds(
        "{}(job.batch_size where job.group == node_group.name)".format,
        st.sampled_from(["sum", "min", "max", "avg"]),
    ),
    st.builds("{}(job.batch_size where job.critical)".format, st.sampled_from(["sum", "min", "max"])),
)
leaves = st.one_of(
    st.builds("{} {} {}".format, sums, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), atoms),
    st.builds('instance_type == "{}"'.format, st.sampled_from("abc")),
    st.builds("accelerator {} instance_type".format, st.sampled_from(["==", "!="])),
    st.builds('instance_type in ["a", "{}"]'.format, st.sampled_from("bc")),
    st.builds("{} is known".format, numbers),
    st.builds(
        "{}(job where job.group == node_group.name and job.critical)".format, st.sampled_from(["any", "all"])
    ),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=6,
)

count = st.one_of(st.none(), st.integers(0, 4).map(float))
word = st.one_of(st.none(), st.sampled_from("abc"))
groups = st.lists(
    st.fixed_dictionaries(
        {"size": count, "queue_depth": count, "min_size": count, "instance_type": word, "accelerator": word}
    ),
    min_size=1,
    max_size=4,
)
jobs = st.lists(
    st.fixed_dictionaries(
        {
            "group": st.one_of(st.none(), st.sampled_from(["g0", "g1", "gone"])),
            "critical": st.one_of(st.none(), st.booleans()),
            "batch_size": count,
        }
    ),
    max_size=4,
)
histories = st.lists(st.lists(count, min_size=SAMPLES, max_size=SAMPLES), min_size=4, max_size=4)


def named(rows: list[Row], prefix: str) -> list[Row]:
    """Rows with names."""
    return [{**row, "name": f"{prefix}{place}"} for place, row in enumerate(rows)]


def table(kind: str, rows: list[Row], interval_s: float = STEP_S) -> Table:
    """Rows as columns."""
    columns: dict[str, Column] = {}
    for field in sorted({field for row in rows for field in row if field != "name"}):
        values: list[Any] = [row[field] for row in rows]
        if field in ("instance_type", "accelerator", "group"):
            columns[field] = text_column(values, interval_s=interval_s)
        elif field == "critical":
            columns[field] = truth_column(values, interval_s=interval_s)
        else:
            columns[field] = number_column(values, interval_s=interval_s)
    return Table(kind, tuple(row["name"] for row in rows), columns)


@settings(max_examples=400, deadline=None)
@given(condition=conditions, group_rows=groups, job_rows=st.one_of(st.none(), jobs), history=histories)
def test_columns_agree_with_rows(
    condition: str, group_rows: list[Row], job_rows: list[Row] | None, history: list[list[float | None]]
) -> None:
    """For every row: true, false or unknown alike."""
    text = (
        'scrimp 1\npolicy p { "d" owner "o" mode enforce target node_group '
        f"when {condition} do scale_up(by = 1) }}"
    )
    policies = compile_set(checked(text))
    nodes = named(group_rows, "g")
    tables = {"node_group": table("node_group", nodes)}
    rows: dict[str, list[Row]] = {"node_group": nodes}
    if job_rows is not None:
        rows["job"] = named(job_rows, "j")
        tables["job"] = table("job", rows["job"])
    ages = [STEP_S * (SAMPLES - 1 - place) for place in range(SAMPLES)]
    samples = np.array([[np.nan if one is None else one for one in line] for line in history[: len(nodes)]])
    series = Series(
        np.array([[NOW_S - age for age in ages]]), samples, np.full(1, STEP_S), np.zeros(1, dtype=np.bool_)
    )
    snapshot = Snapshot(NOW_S, tables, {("node_group", "queue_depth"): series})
    world = World(
        rows,
        {
            ("node_group", "queue_depth", node["name"]): list(zip(ages, line, strict=True))
            for node, line in zip(nodes, history, strict=False)
        },
        STEP_S,
    )
    (found,) = evaluate(policies, snapshot, EMPTY_LEDGER, NOW_S).policies
    expected = [value(found.policy.when.expression, world, node) for node in nodes]
    assert [place for place, one in enumerate(expected) if one is True] == found.due_rows.tolist()
    assert [place for place, one in enumerate(expected) if one is None] == found.unknown_rows.tolist()
    assert found.false == sum(one is False for one in expected)
