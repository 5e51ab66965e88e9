"""The form of a finding, column by column."""

import re

from scrimp.diagnostics import Diagnostic, Label, Source, Span, render_text
from scrimp.diagnostics.render import render_json

_TEXT = 'scrimp 1\n\npolicy idle_gpu {\n  "…"\n  owner "a"\n  target node_group\n  when cost_rate > 5m\n}\n'
_AT = _TEXT.index("cost_rate")
_FINDING = Diagnostic(
    "SCR204",
    "cannot compare `cost_rate` with `5m`",
    Source("policies/idle_gpu.scrimp", _TEXT),
    Span(_AT, _AT + 9),
    note="money/h",
    labels=(Label(Span(_AT + 12, _AT + 14), "duration"),),
    hint="write an amount of the same unit, such as `$5/h`",
)
_SHOWN = """\
error[SCR204]: cannot compare `cost_rate` with `5m`
  --> policies/idle_gpu.scrimp:7:8
   |
 7 |   when cost_rate > 5m
   |        ^^^^^^^^^   ^^ duration
   |        money/h
   = hint: write an amount of the same unit, such as `$5/h`
   = more: scrimp explain SCR204
"""


def test_form_of_a_finding():
    """The style guide's own example, character by character."""
    assert render_text([_FINDING], colour=False) == _SHOWN


def test_findings_stand_apart_and_have_a_limit():
    """A flood of findings is cut, and says so."""
    assert render_text([_FINDING] * 3, colour=False, limit=2) == f"{_SHOWN}\n{_SHOWN}\nand 1 more\n"


def test_colour_changes_no_character():
    """Colour is added around the text: without its escapes the text is the plain one."""
    shown = render_text([_FINDING], colour=True)
    assert shown != _SHOWN
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == _SHOWN


def test_control_characters_of_a_file_do_not_reach_the_terminal():
    """A message quotes what somebody wrote: no escape sequence of theirs is passed on."""
    source = Source("a\x1b[2J.scrimp", "when \x1b[2J x")
    shown = render_text([Diagnostic("SCR104", "bad \x1b]0;x", source, Span(5, 6))], colour=False)
    assert "\x1b" not in shown


def test_plain_values_count_from_one():
    """Tools read lines and columns as editors show them."""
    (value,) = render_json([_FINDING])
    assert (value["line"], value["column"], value["end_line"], value["end_column"]) == (7, 8, 7, 17)
    assert value["labels"] == [{"text": "duration", "line": 7, "column": 20, "end_line": 7, "end_column": 22}]
