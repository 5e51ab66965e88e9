"""Policies under their tests, case by case: `tests/corpus/simulate/*.yaml`."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.policies import checked

from scrimp.simulate import run_tests
from scrimp.store import round_trip

FOLDER = Path(__file__).parent.parent / "corpus/simulate"
CASES = [
    pytest.param(case, id=f"{file.stem}-{case['name'].replace(' ', '_')}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(file.read_text("utf-8"))
]


def _text(policy: str, steps: str) -> str:
    """A file: the policy, or the clauses of one, and its test."""
    whole = policy if policy.startswith("scrimp") else f"scrimp 1\npolicy p {{\n{policy}}}\n"
    start = "" if steps.startswith("start") else 'start "2026-03-03T09:00Z" every 1m\n'
    return f'{whole}test p "case" {{\n{start}{steps}}}\n'


@pytest.mark.parametrize("case", CASES)
def test_passes_and_fails_as_the_corpus_says(case: dict[str, Any]) -> None:
    """A test that must fail is as much worth as one that must pass."""
    (tested,) = run_tests(checked(_text(case["policy"], case["steps"])), round_trip)
    told = [failure.message for failure in tested.failures]
    wanted = case.get("fails", [])
    assert len(told) == len(wanted), told
    assert [part for part, message in zip(wanted, told, strict=True) if part not in message] == [], told
