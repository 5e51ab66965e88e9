"""Policies from text, and snapshots from plain data, for tests of what comes after the checks."""

import json
from pathlib import Path
from typing import Any

from scrimp.check import check_files
from scrimp.collectors import load_snapshot, snapshot_currency
from scrimp.compile import PolicySet, compile_set
from scrimp.config.catalogue import builtin_catalogue
from scrimp.diagnostics import Source, has_errors, render_text
from scrimp.lang import parse
from scrimp.model.ledger import EMPTY_LEDGER, Ledger
from scrimp.model.plan import Plan
from scrimp.model.policy import CheckedSet
from scrimp.model.snapshot import Snapshot
from scrimp.plan import Settings, decide
from scrimp_actions.specs import SPECS

AT = "2026-11-23T12:00:00Z"


def checked(*texts: str, currency: str = "USD") -> CheckedSet:
    """The checked set of some files; fails the test with the findings if there are errors."""
    files, found = [], []
    for place, text in enumerate(texts):
        file, diagnostics = parse(Source(f"policies/{place}.scrimp", text))
        files.append(file)
        found.extend(diagnostics)
    result, diagnostics = check_files(files, builtin_catalogue(currency).with_actions(SPECS))
    found.extend(diagnostics)
    assert not has_errors(found), render_text(found, colour=False)
    assert result is not None
    return result


def compiled(*texts: str, currency: str = "USD") -> PolicySet:
    """The same, compiled."""
    return compile_set(checked(*texts, currency=currency))


def snapshot(tmp_path: Path, kinds: dict[str, Any], **more: Any) -> Snapshot:
    """A snapshot read from a file, as `plan --snapshot` reads it."""
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps({"scrimp": "snapshot/1", "at": AT, "kinds": kinds, **more}))
    found, diagnostics = load_snapshot(path, builtin_catalogue(snapshot_currency(path)))
    assert found is not None, render_text(diagnostics, colour=False)
    return found


def plan(
    tmp_path: Path, text: str, kinds: dict[str, Any], ledger: Ledger = EMPTY_LEDGER, **more: Any
) -> Plan:
    """One tick over a snapshot."""
    seen = snapshot(tmp_path, kinds, **more)
    return decide(compiled(text, currency=seen.currency), seen, ledger, seen.at_s, Settings())


def verdicts(found: Plan) -> dict[tuple[str, str], str]:
    """Verdict by policy and target."""
    return {(one.policy, one.target): one.verdict.value for one in found.decisions()}
