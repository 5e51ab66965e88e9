"""Snapshot documents, from JSON and Parquet, and back."""

import json
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collectors.catalogue import CATALOGUE

from scrimp.api import Services
from scrimp.collectors import Gatherer, dump_snapshot, load_snapshot
from scrimp.collectors.document import parse_document
from scrimp.collectors.snapshot import SnapshotCollector, as_snapshot
from scrimp.diagnostics import Severity, Source
from scrimp.model.snapshot import Snapshot

SCHEMA = json.loads(files("scrimp_schemas").joinpath("snapshot.schema.json").read_text())
AT = "2026-11-23T12:00:00Z"
AT_S = 1795435200.0


def parse(**parts: Any) -> tuple[Snapshot | None, list[str]]:
    document = {"scrimp": "snapshot/1", "at": AT, "kinds": {}, **parts}
    found, diagnostics = parse_document(document, CATALOGUE, Source("s.json", ""))
    return (None if found is None else as_snapshot(found, CATALOGUE)), [d.message for d in diagnostics]


def loaded(**parts: Any) -> Snapshot:
    found, messages = parse(**parts)
    assert found is not None, messages
    assert not messages
    return found


def value(snapshot: Snapshot, field: str, row: int = 0, kind: str = "node_group") -> Any:
    column = snapshot.tables[kind].columns[field]
    if not column.valid[row]:
        return None
    return column.words[column.values[row]] if column.words else column.values[row]


def test_every_unit_form() -> None:
    row = {
        "name": "a",
        "size": 10,
        "gpu_utilization": "8%",
        "queue_oldest_age": "15m",
        "memory": "16GiB",
        "price_per_hour": "$3/h",
        "busy": True,
        "zone": "z1",
        "labels": {"tier": "batch"},
    }
    found = loaded(kinds={"node_group": [row]})
    expected = [10, 0.08, 900, 16 * 2**30, 3, True, "z1"]
    assert [value(found, name) for name in row if name not in ("name", "labels")] == expected
    assert found.tables["node_group"].labels["tier"].words == ("batch",)
    assert found.at_s == AT_S


def test_a_missing_kind_differs_from_an_empty_one() -> None:
    """Empty is known to be empty; missing is unknown as a whole."""
    found = loaded(kinds={"job": [], "node_group": None})
    assert set(found.tables) == {"job"}
    assert len(found.tables["job"]) == 0


def test_series_end_at_the_snapshot_and_give_the_newest_value() -> None:
    series = {"node_group/a": {"gpu_utilization": {"step": "1m", "values": [0.1, 0.2, None]}}}
    found = loaded(
        kinds={"node_group": [{"name": "a"}, {"name": "b", "gpu_utilization": 0.5}]}, series=series
    )
    column = found.tables["node_group"].columns["gpu_utilization"]
    assert column.values.tolist() == [0.2, 0.5]
    assert column.age_s.tolist() == [60.0, 0.0]
    assert column.interval_s == 60.0
    recent = found.series["node_group", "gpu_utilization"]
    np.testing.assert_array_equal(recent.values, [[0.1, 0.2, np.nan], [np.nan, np.nan, 0.5]])
    np.testing.assert_array_equal(recent.times_s[0], [AT_S - 120, AT_S - 60, AT_S])
    np.testing.assert_array_equal(recent.interval_s, [60.0, np.nan])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"at": "yesterday"}, '`at` must be a time such as `"2026-11-23T12:00:00Z"`'),
        ({"scrimp": "snapshot/9"}, "`snapshot/9` is not a snapshot format that is known"),
        ({"kinds": []}, "`kinds` must map each kind to a list of its rows"),
        ({"kinds": {"job": [{"size": 1}]}}, "`kinds.job[0]` has no `name`"),
        (
            {"kinds": {"job": [{"name": "a"}, {"name": "a"}]}},
            "`kinds.job[1]` is named `a`, as `kinds.job[0]` is",
        ),
        ({"kinds": {"fleet": [{}, {}]}}, "`kinds.fleet` has 2 rows, and there is only one `fleet`"),
        ({"currency": "EUR"}, "the snapshot is in `EUR`, and prices here in `USD`"),
        (
            {
                "kinds": {"job": [{"name": "a"}]},
                "series": {"job/a": {"size": {"step": "soon", "values": [1]}}},
            },
            '`series["job/a"].size.step` must be a duration above zero, such as `"1m"`',
        ),
    ],
)
def test_a_wrong_structure_is_refused_with_its_path(parts: dict[str, Any], message: str) -> None:
    found, messages = parse(**parts)
    assert found is None
    assert message in messages


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"nodegroup": []}, "`kinds.nodegroup`: there is no kind `nodegroup`"),
        ({"job": [{"name": "a", "sise": 1}]}, "`kinds.job[0].sise`: `job` has no field `sise`"),
        ({"job": [{"name": "a", "size": "big"}]}, "`kinds.job[0].size` is not of type count: it is unknown"),
        ({"job": [{"name": "a", "busy": 1}]}, "`kinds.job[0].busy` is not of type bool: it is unknown"),
        ({"job": [{"name": "a", "size": True}]}, "`kinds.job[0].size` is not of type count: it is unknown"),
    ],
)
def test_what_the_catalogue_lacks_is_a_warning_and_unknown(kinds: dict[str, Any], message: str) -> None:
    found, messages = parse(kinds=kinds)
    assert found is not None
    assert messages == [message]
    for table in found.tables.values():
        assert not any(column.valid.any() for column in table.columns.values())


def test_a_thousand_wrong_values_are_two_findings() -> None:
    rows = [{"name": str(n), "size": "x"} for n in range(1000)]
    assert parse(kinds={"job": rows})[1][1:] == ["999 more values like these"]


def test_broken_json_shows_where(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"scrimp": "snapshot/1",\n  oops}')
    found, (diagnostic,) = load_snapshot(path, CATALOGUE)
    assert found is None
    assert diagnostic.source is not None
    assert diagnostic.span is not None
    assert diagnostic.source.place(diagnostic.span.start).line == 2
    assert load_snapshot(tmp_path / "none.json", CATALOGUE)[1][0].severity is Severity.ERROR


def test_parquet_is_the_same_snapshot(tmp_path: Path) -> None:
    columns = {
        "kind": ["node_group"] * 3 + ["job"],
        "name": ["a", "a", "gone", "j"],
        "at": pa.array([AT_S, AT_S - 60, AT_S - 60, AT_S]),
        "gpu_utilization": [None, 0.2, 0.3, None],
        "size": [4, 4, 9, None],
        "labels.tier": ["batch", "batch", None, None],
    }
    pq.write_table(pa.table(columns), tmp_path / "all.parquet")
    found, diagnostics = load_snapshot(tmp_path / "all.parquet", CATALOGUE)
    assert not diagnostics
    assert found is not None
    assert found.tables["node_group"].names == ("a",)
    assert value(found, "gpu_utilization") == 0.2
    assert value(found, "size") == 4
    assert found.tables["job"].names == ("j",)
    assert found.series["node_group", "size"].values.tolist() == [[4.0, 4.0]]


def parquet(folder: Path, **columns: Any) -> tuple[Snapshot | None, list[str]]:
    """The snapshot in a Parquet file of node groups, and what is said about it."""
    path = folder / "node_group.parquet"
    pq.write_table(pa.table(columns), path)
    found, diagnostics = load_snapshot(path, CATALOGUE)
    return found, [one.message for one in diagnostics]


@pytest.mark.parametrize(
    "at",
    [
        pa.array([AT_S]),
        pa.array([AT]),
        pa.array([int(AT_S)]),
        pa.array([int(AT_S * 1e9) + 7], pa.timestamp("ns", "UTC")),
        pa.array([int(AT_S * 1e3)], pa.timestamp("ms", "Europe/Berlin")),
        pa.array([int(AT_S)], pa.timestamp("s")),
    ],
    ids=["float", "text", "int", "ns", "zoned", "naive"],
)
def test_parquet_times_of_every_kind(tmp_path: Path, at: Any) -> None:
    """Each writer has its own; nanoseconds cannot be Python's."""
    found, said = parquet(tmp_path, name=["a"], at=at, size=[3])
    assert found is not None, said
    assert (found.at_s, value(found, "size"), said) == (AT_S, 3, [])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([3], pa.int8()), 3.0),
        (pa.array([Decimal("3.5")], pa.decimal128(10, 2)), 3.5),
        (pa.array([3.5], pa.float32()), 3.5),
        (pa.array([None], pa.null()), None),
        (pa.array([float("nan")]), None),
        (pa.array([float("inf")]), None),
        (pa.array([2**63], pa.uint64()), float(2**63)),
        (pa.array(["many"]), None),
        (pa.array([True]), None),
        (pa.array([[1, 2]]), None),
        (pa.array([{"x": 1}]), None),
    ],
)
def test_parquet_values_of_every_kind(tmp_path: Path, column: Any, expected: float | None) -> None:
    """What is no number is unknown, and the rest of the file stands."""
    found, _ = parquet(tmp_path, name=["a"], at=[AT_S], size=column, zone=pa.array(["z"]).dictionary_encode())
    assert found is not None
    assert "size" not in found.tables["node_group"].columns or value(found, "size") == expected
    assert value(found, "zone") == "z"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"size": [1]}, "has no column `name`"),
        ({"name": ["a"]}, "no time: give a column `at`"),
        ({"name": [None], "at": [AT_S]}, "has no `name`"),
        ({"name": [7], "at": [AT_S]}, "has no `name`"),
        ({"name": ["a", "a"], "at": [AT_S, AT_S]}, "is named `a`, as"),
        ({"name": pa.array([], pa.string()), "at": pa.array([], pa.float64())}, "no time"),
        ({"name": ["a"], "at": ["yesterday"]}, "no time"),
    ],
)
def test_a_parquet_file_that_is_no_snapshot_is_refused(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    found, messages = parquet(tmp_path, **columns)
    assert found is None
    assert any(said in one for one in messages), messages


def test_parquet_folders_and_labels(tmp_path: Path) -> None:
    """A file per kind; labels as a map; the currency and the time in the metadata."""
    labels = pa.array([[("tier", "batch"), ("team", None)]], pa.map_(pa.string(), pa.string()))
    metadata = {"scrimp.at": AT, "scrimp.currency": "USD"}
    table = pa.table({"name": ["a"], "labels": labels}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "node_group.parquet")
    pq.write_table(pa.table({"name": ["j"], "at": [AT_S]}), tmp_path / "job.parquet")
    found, said = load_snapshot(tmp_path, CATALOGUE)
    assert found is not None, said
    assert set(found.tables) == {"node_group", "job"}
    assert list(found.tables["node_group"].labels) == ["tier"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet" * 100, None])
def test_what_is_not_parquet_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    found, (diagnostic,) = load_snapshot(path, CATALOGUE)
    assert found is None
    assert diagnostic.code == "SCR505"


def test_a_file_is_a_source_like_others(tmp_path: Path) -> None:
    """Its samples are as old as it says; one that is gone leaves its kinds unknown, and only those."""
    path = tmp_path / "now.json"
    rows = {"node_group": [{"name": "a", "size": 3}], "job": [{"name": "j"}]}
    path.write_text(json.dumps({"scrimp": "snapshot/1", "at": AT, "kinds": rows}))
    services = Services(lambda: AT_S, lambda _: None, tmp_path, catalogue=CATALOGUE)
    source = SnapshotCollector({"path": str(path), "kinds": ["node_group"]}, services)
    gatherer = Gatherer([source], CATALOGUE)
    seen = gatherer.collect(AT_S + 90).snapshot
    assert set(seen.tables) == {"node_group"}
    assert seen.tables["node_group"].columns["size"].age_s.tolist() == [90.0]
    path.unlink()
    gone = gatherer.collect(AT_S + 120).snapshot
    assert (gone.tables, list(gone.failures)) == ({}, ["node_group"])
    assert "cannot read the snapshot" in gone.failures["node_group"]
    with pytest.raises(ValueError, match="no option `kind`"):
        SnapshotCollector({"path": str(path), "kind": "job"}, services)


NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(min_size=1)},
        optional={
            "size": NUMBERS,
            "busy": st.none() | st.booleans(),
            "zone": st.none() | st.text(),
            "labels": st.dictionaries(st.text(min_size=1), st.text(), max_size=2),
        },
    ),
    max_size=4,
    unique_by=lambda row: row["name"],
)


@given(ROWS, st.lists(NUMBERS, min_size=1, max_size=4), st.integers(1, 100))
def test_what_is_dumped_is_read_back(
    rows: list[dict[str, Any]], samples: list[float | None], step: int
) -> None:
    """Recordings are replayed: they must decide as the live tick did."""
    series = {f"job/{row['name']}": {"size": {"step": step, "values": samples}} for row in rows[:1]}
    first, _ = parse(kinds={"job": rows}, series=series)
    assert first is not None
    document = json.loads(json.dumps(dump_snapshot(first)))
    jsonschema.validate(document, SCHEMA)
    second, messages = parse(**document)
    assert second is not None
    assert not messages
    assert dump_snapshot(second) == dump_snapshot(first)
    assert second.tables["job"].names == tuple(row["name"] for row in rows)
