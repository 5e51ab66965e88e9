"""Every record that the store writes is as the published schema says."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from tests.execute.acts import AT_S, intent

from scrimp.model.ledger import Approval
from scrimp.model.plan import Ended
from scrimp.store import Context, Entry, Git, Record, open_store, read_records

SCHEMA = json.loads((files("scrimp_schemas") / "audit.schema.json").read_text())


def written(state: Path) -> list[Record]:
    """One record of each kind."""
    with open_store(state, lambda: AT_S) as store:
        store.under(Context(AT_S, "set", {"shrink": "digest"}, Git("0" * 40, dirty=False)))
        store.record_intent(one := intent("k"), {"u": 0.1})
        store.record_outcome(one, "done", "set", {"size": 5.0})
        store.record_requests({"d": Approval("d", "shrink", "node_group/a", AT_S, AT_S + 9)})
        store.answer_approval("d", granted=False, actor="ann")
        store.pause("ann", "freeze")
        store.resume("ann")
        store.end_episode(Ended("shrink", "node_group/a", shadow=False, writes=None))
        store.record([Entry("reload", values={"nan": float("nan")}), Entry("budget"), Entry("override")])
        return list(read_records(store.log))


def test_records_fit_the_schema(tmp_path: Path) -> None:
    records = written(tmp_path)
    assert len(records) == 10
    for record in records:
        jsonschema.validate(record, SCHEMA)
    assert records[0]["policy_hash"] == "digest"
    assert records[-1]["policy_hash"] == "set"


@pytest.mark.parametrize("name", sorted(SCHEMA["properties"]))
def test_no_field_can_be_left_out(tmp_path: Path, name: str) -> None:
    """Others read the log by this schema."""
    record = written(tmp_path)[0]
    del record[name]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, SCHEMA)
