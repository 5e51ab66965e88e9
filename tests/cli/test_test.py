"""`scrimp test`."""

import json
from pathlib import Path

from tests.cli.command import BROKEN, POLICIES, Shell


def test_passing_and_failing_tests_are_told_apart(scrimp: Shell, folder: Path) -> None:
    """A failed expectation is the answer no, with its place."""
    ran = scrimp("test")
    assert (ran.code, ran.err) == (0, "1 passed, 0 failed\n")
    (folder / "policies" / "idle.scrimp").write_text(POLICIES.replace("to = 5", "to = 4"))
    ran = scrimp("test", "policies", "--output", "json")
    failure = json.loads(ran.out)["tests"][0]["failures"][0]
    assert ran.code == 1
    assert failure["place"].startswith("policies/idle.scrimp:18:")


def test_bad_input_is_refused(scrimp: Shell, folder: Path) -> None:
    (folder / "bad.scrimp").write_text(BROKEN)
    assert scrimp("test", "bad.scrimp").code == 2
    assert scrimp("test", "nowhere").code == 2


def test_coverage_is_told_and_may_be_demanded(scrimp: Shell) -> None:
    """The one test sees the only condition true, never false, never unknown."""
    ran = scrimp("test", "--coverage")
    assert (ran.code, ran.err) == (0, "1 passed, 0 failed; 33% of what conditions can be was seen\n")
    assert "shrink_idle: when: `gpu_utilization < 15%` was never false, never unknown" in ran.out
    assert scrimp("test", "--min", "33").code == 0
    ran = scrimp("test", "--min", "34", "--output", "json")
    assert ran.code == 1
    (condition,) = json.loads(ran.out)["coverage"]["conditions"]
    assert condition["never"] == ["false", "unknown"]
