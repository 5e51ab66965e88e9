"""Findings as SARIF 2.1.0 (OASIS), the form that code hosts read results of analysis from."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from scrimp.diagnostics import CODES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """A log of one run; `findings` are as `check --output json` has them. Columns count characters."""
    codes = sorted({one["code"] for one in findings})
    rules = [{"id": code, "shortDescription": {"text": CODES[code].title}} for code in codes]
    driver = {"name": "scrimp", "version": version("scrimp"), "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one) for one in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(one: Mapping[str, Any]) -> dict[str, object]:
    hint = f" ({one['hint']})" if one["hint"] else ""
    result: dict[str, object] = {
        "ruleId": one["code"],
        "level": one["severity"],
        "message": {"text": f"{one['message']}{hint}"},
    }
    if one.get("path"):
        place: dict[str, object] = {"artifactLocation": {"uri": quote(one["path"])}}
        if one.get("line"):
            place["region"] = {
                "startLine": one["line"],
                "startColumn": one["column"],
                "endLine": one["end_line"],
                "endColumn": one["end_column"],
            }
        result["locations"] = [{"physicalLocation": place}]
    return result
