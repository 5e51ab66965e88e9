"""One layout for every file: laid out twice is laid out once, and nothing that was written is lost."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checking import check_texts

from scrimp.diagnostics import Source
from scrimp.lang import format_file, parse

_ROOT = Path(__file__).parents[2]
_FILES = [
    _ROOT / "tests" / "corpus" / "check" / "example.scrimp",
    *sorted((_ROOT / "policies").glob("*.scrimp")),
]
_TEXTS = [path.read_text(encoding="utf-8") for path in _FILES]
_each_file = pytest.mark.parametrize("text", _TEXTS, ids=[path.stem for path in _FILES])


def _format(text: str) -> str:
    file, found = parse(Source("a.scrimp", text))
    assert found == ()
    return format_file(file)


def _comments(text: str) -> list[str]:
    return [one.text for one in parse(Source("a", text))[0].comments]


def _words(text: str) -> list[str]:
    """The text without comments, spaces, and the commas and brackets that a layout may add or drop."""
    return re.findall(r"[^\s,()]+", re.sub(r"#[^\n]*", "", text))


@_each_file
def test_layout_of_a_layout_is_itself(text):
    """Else `fmt --check` could never be satisfied."""
    once = _format(text)
    assert _format(once) == once


@_each_file
def test_every_comment_is_kept_in_order(text):
    """A comment is often the reason why."""
    assert _comments(_format(text)) == _comments(text)
    assert len(_comments(text)) >= 1


@_each_file
def test_nothing_but_the_layout_changes(text):
    """The words stay, and the policies come out the same."""
    laid = _format(text)
    assert _words(laid) == _words(text)
    before, after = check_texts([text])[0], check_texts([laid])[0]
    assert before is not None
    assert after is not None
    assert [policy.when.digest for policy in before.policies] == [
        policy.when.digest for policy in after.policies
    ]


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(_TEXTS), st.data())
def test_layout_survives_other_spacing_and_comments_between_lines(text, data):
    """However a file is spaced, its layout is stable and keeps what it says."""
    lines = text.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines)))
        lines.insert(at, data.draw(st.sampled_from(["", "# a reason", "      # another", "\t"])))
    other = "\n".join(lines) + "\n"
    once = _format(other)
    assert _comments(once) == _comments(other)
    assert _words(once) == _words(text)
    assert _format(once) == once


def test_layout_by_example():
    """Keys are padded, blocks indented by two, `and` begins a line."""
    text = 'scrimp 1\npolicy a{\n"A."\nowner "p"\ntarget job where critical\nwhen latency>5s   for 10m\ndo alert( )\n}\n'
    assert _format(text) == (
        "scrimp 1\n\npolicy a {\n"
        '  "A."\n'
        '  owner    "p"\n'
        "  target   job where critical\n"
        "  when     latency > 5s for 10m\n"
        "  do       alert()\n"
        "}\n"
    )
