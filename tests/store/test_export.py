"""The log leaves for other programs without loss, and without giving a spreadsheet something to run."""

import csv
import io
from pathlib import Path

from scrimp.store import Entry, export_records, open_store, read_records


def test_both_forms_hold_every_record(tmp_path: Path) -> None:
    with open_store(tmp_path, lambda: 0.0) as store:
        store.record([Entry("alert", policy="=1+1", values={"a": [1, 2]}), Entry("budget")])
        lines, table = io.StringIO(), io.StringIO()
        assert export_records(read_records(store.log), lines, "jsonl") == 2
        assert lines.getvalue().encode() == store.log.files()[0].read_bytes()
        export_records(read_records(store.log), table, "csv")
    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    assert [row["event"] for row in rows] == ["alert", "budget"]
    assert rows[0]["policy"] == "'=1+1"
    assert rows[0]["values"] == '{"a": [1, 2]}'
