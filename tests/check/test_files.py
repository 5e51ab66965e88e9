"""A set of files: overrides from the configuration, comments that are due, digests, and the language's own example."""

from datetime import date
from pathlib import Path

import pytest
from tests.checking import CATALOGUE

from scrimp.check import check_files
from scrimp.diagnostics import Diagnostic, Source
from scrimp.lang import parse
from scrimp.model.policy import CheckedSet

EXAMPLE = Path(__file__).parent.parent / "corpus/check/example.scrimp"
POLICY = """\
scrimp 1
param idle: ratio = 15% within [5%, 50%]
policy shrink {{
  "Make it smaller."
  owner "platform"
  target node_group
  when gpu_utilization < idle {hold}
  do scale_down(by = 1)
  {more}
}}
"""
SILENT = "scrimp 1\nconst few = 2  # scrimp: disable SCR301 until 2026-03-31 soon used\n"


def check(
    text: str, overrides: dict[str, str | float | bool] | None = None, today: date | None = None
) -> tuple[CheckedSet | None, tuple[Diagnostic, ...]]:
    file, syntax = parse(Source("a.scrimp", text))
    assert syntax == ()
    return check_files([file], CATALOGUE, overrides, today=today)


def shrink(hold: str = "for 10m", more: str = "", **overrides: str | float | bool) -> CheckedSet:
    checked, found = check(POLICY.format(hold=hold, more=more), overrides)
    assert checked is not None, found
    return checked


def test_the_example_of_the_specification_is_clean_but_for_what_it_leaves_unused():
    """The first thing that people copy must pass; `spare` is declared there to show parameters."""
    checked, found = check(EXAMPLE.read_text("utf-8"))
    assert checked is not None
    assert [(one.code, one.message) for one in found] in ([], [("SCR301", "`spare` is never used")])
    assert len(checked.policies) == 2
    assert len(checked.tests) == 1


@pytest.mark.parametrize(("given", "value"), [("30%", 0.3), (0.3, 0.3), ("5%", 0.05)])
def test_an_override_takes_the_place_of_the_default(given, value):
    """Bounds included: they are what the author allowed."""
    assert shrink(idle=given).params["idle"].value == value


@pytest.mark.parametrize("given", ["60%", 0.6, "5m", "many", True])
def test_an_override_beyond_its_bounds_or_of_another_type_is_refused(given):
    """A typo in one environment's configuration must not become a threshold."""
    checked, found = check(POLICY.format(hold="", more=""), {"idle": given})
    assert checked is None
    assert [one.code for one in found] == ["SCR219"]


def test_reasons_show_values_as_they_were_written():
    """`8% < 15%` tells more than `8% < idle`."""
    condition = shrink().policies[0].when.expression
    assert condition.right.text == "15%"
    assert condition.text == "gpu_utilization < idle"


def test_a_condition_keeps_its_digest_when_other_clauses_change():
    """Clocks go on over an edit of the cooldown, and start anew when the condition or a value in it changes."""
    first = shrink().policies[0].when.digest
    assert shrink(more="cooldown 1h per target").policies[0].when.digest == first
    assert shrink(hold="for 11m").policies[0].when.digest != first
    assert shrink(idle="16%").policies[0].when.digest != first


def test_the_set_has_another_digest_when_a_parameter_changes():
    """Audit records name the set that decided; an override is part of it."""
    assert shrink().digest != shrink(idle="16%").digest
    assert shrink().digest == shrink().digest


def test_a_policy_has_another_digest_when_what_its_names_stand_for_changes():
    """The audit log names a policy by its hash: a constant or a shared limit is as much of it as its own text."""
    text = """scrimp 1
const few = {few}
allowance night {{ limit {limit} actions per 1h }}
policy one {{ target node_group when size > few do scale_down(by = 1) uses allowance night }}
policy other {{ target node_group when size > 9 do scale_down(by = 1) }}
"""

    def digests(few: int = 2, limit: int = 3) -> list[str]:
        checked, found = check(text.format(few=few, limit=limit))
        assert checked is not None, found
        return [policy.digest for policy in checked.policies]

    first = digests()
    assert digests(few=3)[0] != first[0]
    assert digests(limit=4)[0] != first[0]
    assert digests(few=3, limit=4)[1] == first[1]
    assert shrink().policies[0].digest != shrink(idle="16%").policies[0].digest


@pytest.mark.parametrize(
    ("today", "codes"), [(date(2026, 3, 31), []), (date(2026, 4, 1), ["SCR306", "SCR301"]), (None, [])]
)
def test_a_comment_silences_until_its_day(today, codes):
    """After that day both the comment and what it silenced are found."""
    _, found = check(SILENT, today=today)
    assert sorted(one.code for one in found) == sorted(codes)
