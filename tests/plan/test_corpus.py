"""What `scrimp plan --snapshot` decides, case by case: `tests/corpus/plan/*.yaml`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scrimp.cli._app import run

FOLDER = Path(__file__).parent.parent / "corpus/plan"
CASES = [
    pytest.param(case, id=f"{file.stem}-{case['name'].replace(' ', '_')}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(file.read_text("utf-8"))
]


def _policy(text: str) -> str:
    """A whole file, or the clauses of one policy `p` in mode `enforce`."""
    if text.startswith("scrimp"):
        return text
    mode = "" if "mode " in text else "mode enforce\n"
    return f"scrimp 1\npolicy p {{\n{mode}{text}}}\n"


def _whole(case: dict[str, Any]) -> dict[str, Any]:
    """A case in full: one of `conditions` has a policy for each, which acts where it is true."""
    if "conditions" not in case:
        return case
    kind, series = case["kind"], case.get("series")
    policies = [
        f'policy c{at} {{ mode enforce target {kind} when {one} do recommend(message = "") }}'
        for at, one in enumerate(case["conditions"])
    ]
    said = {True: "act", "unknown": "unknown"}
    return {
        "policy": "\n".join(["scrimp 1", case.get("head", ""), *policies, ""]),
        "world": {kind: [{"name": "a", **case["row"]}], **case.get("world", {})},
        "series": {f"{kind}/a": series} if series else {},
        "expect": {
            f"c{at} a": said[one] for at, one in enumerate(case["conditions"].values()) if one in said
        },
    }


def _snapshot(case: dict[str, Any]) -> dict[str, Any]:
    """The snapshot of a case; `repeat` rows are named by number."""
    kinds = {
        kind: [{"name": f"{kind}-{at:03}"} | rows["row"] for at in range(rows["repeat"])]
        if isinstance(rows, dict)
        else rows
        for kind, rows in case["world"].items()
    }
    more = {key: case[key] for key in ("series", "currency") if key in case}
    return {"scrimp": "snapshot/1", "at": case.get("at", "2026-11-23T12:00:00Z"), "kinds": kinds, **more}


def _plan(
    case: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit code, result and the rest of one run of the command."""
    monkeypatch.chdir(folder)
    (folder / "policies").mkdir()
    (folder / "policies/case.scrimp").write_text(_policy(case["policy"]), "utf-8")
    (folder / "now.json").write_text(json.dumps(_snapshot(case)))
    code = run(("plan", "--snapshot", "now.json", "--output", "json"))
    return code, *capsys.readouterr()


def _parts(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Of a decision, the parts that a case names."""
    actions = found.get("actions", [])
    last = actions[-1] if actions else {}
    saving = last.get("saving_per_hour")
    parts = (
        found
        | last
        | {
            "saving": saving and pytest.approx(saving["amount"]),
            "actions": [action["action"] for action in actions],
            "reason_has": wanted.get("reason_has")
            if wanted.get("reason_has", "") in found["reason"]
            else found["reason"],
            "values": pytest.approx(found["values"]),
        }
    )
    return {key: parts.get(key, "missing") for key in wanted}


@pytest.mark.parametrize("case", CASES)
def test_decides_what_the_corpus_says(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every decision of the plan, and no other."""
    case = _whole(case)
    code, out, err = _plan(case, tmp_path, monkeypatch, capsys)
    if "errors" in case:
        assert (code, re.findall(r"error\[(SCR\d+)\]", err)) == (2, case["errors"])
        return
    assert code == 0, err
    plan = json.loads(out)
    if "count" in case:
        shown = {key: value for key, value in plan["summary"].items() if isinstance(value, int) and value}
        assert shown == case["count"]
        return
    wanted = {
        (key if " " in key else f"p {key}"): value if isinstance(value, dict) else {"verdict": value}
        for key, value in case["expect"].items()
    }
    found = {f"{one['policy']} {one['target'].partition('/')[2]}": one for one in plan["decisions"]}
    verdicts = {key: one["verdict"] for key, one in found.items()}
    assert verdicts == {key: value["verdict"] for key, value in wanted.items()}
    assert {key: _parts(found[key], value) for key, value in wanted.items()} == wanted
    summary = plan["summary"] | {
        "saving": plan["summary"]["saving_per_hour"]["amount"],
        "currency": plan["summary"]["saving_per_hour"]["currency"],
    }
    for key, value in case.get("summary", {}).items():
        assert (key, summary[key]) == (key, pytest.approx(value) if key == "saving" else value)
