"""Whatever is typed into a file, the parser gives a tree and findings, and raises nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from tests.checking import check_texts

from scrimp.diagnostics import Diagnostic, Source, Span, render_text
from scrimp.lang import ast, format_file, parse, parse_expression
from scrimp.lang.parser import MAX_CHARACTERS
from scrimp.lang.tokens import tokenize

_ROOT = Path(__file__).parents[2]
_FILES = [
    _ROOT / "tests" / "corpus" / "check" / "example.scrimp",
    *sorted((_ROOT / "policies").glob("*.scrimp")),
]
_TEXTS = [path.read_text(encoding="utf-8") for path in _FILES]
_PIECES = st.sampled_from(
    [
        *"{}()[],.=<>+-*/%$€\"'#\\!|&;:_",
        "\n",
        " ",
        *(
            "policy a {",
            "test a",
            "when",
            "do",
            "for",
            "over",
            "where",
            "and",
            "not",
            "guard {",
            "limit",
            "known(",
        ),
        *(
            "30m",
            "5%",
            "$4/h",
            "16GiB",
            "1_0",
            "x9",
            "0",
            "size",
            "node_group",
            "max(",
            "5min",
            "9" * 5000,
            "\ud7ff",
        ),
    ]
)


def _look(text: str) -> None:
    """Parse, check and show a text: each finding is told with its place, in order; without one nothing was passed over."""
    file, found = parse(Source("a.scrimp", text))
    starts = [one.span.start for one in found if one.span]
    assert starts == sorted(starts)
    findings = [*found, *check_texts([text])[1]]
    _within(text, findings)
    told = render_text(findings, colour=False)
    assert all(f"[{one.code}]" in told for one in findings)
    if not found:
        laid = format_file(file)
        again, wrong = parse(Source("a.scrimp", laid))
        assert wrong == ()
        assert _meaning(again) == _meaning(file)
        assert _signs(laid) == _signs(text)


def _look_at_expression(text: str) -> None:
    """An expression is a tree, or what is wrong with it stands within the text."""
    node, found = parse_expression(Source("a", text))
    _within(text, found)
    assert node is not None or found


def _within(text: str, findings: Iterable[Diagnostic]) -> None:
    assert all(0 <= one.span.start <= one.span.end <= len(text) for one in findings if one.span)


def _meaning(node: Any) -> Any:
    """A tree without the places of its nodes."""
    if isinstance(node, Source | Span):
        return None
    if isinstance(node, Struct):
        return type(node).__name__, [_meaning(getattr(node, name)) for name in node.__struct_fields__]
    if isinstance(node, tuple):
        return [_meaning(one) for one in node]
    return node


def _signs(text: str) -> list[str]:
    """All that is no space and no comment, but for what a layout may add or drop."""
    return [token.text for token in tokenize(Source("a", text))[0] if token.text not in ("(", ")", ",")]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_findings_and_no_exception(text):
    """A user's mistake is a value, whatever the mistake."""
    _look(text)
    _look_at_expression(text)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join))
def test_any_run_of_tokens_gives_findings_and_no_exception(text):
    """Random text seldom gets past the lexer; runs of the language's own tokens do."""
    _look("scrimp 1\n" + text)
    _look_at_expression(text)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_valid_file_with_a_change_gives_findings_and_no_exception(data):
    """Files as they are while somebody types: a piece cut out, doubled or put in."""
    text = data.draw(st.sampled_from(_TEXTS))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        put = data.draw(st.one_of(st.just(""), _PIECES, st.just(text[start:end] * 2)))
        text = text[:start] + put + text[end:]
    _look(text)


@pytest.mark.parametrize("path", _FILES, ids=[path.stem for path in _FILES])
def test_valid_file_has_no_findings(path):
    """The example of the specification and the library are in the language."""
    assert parse(Source(path.name, path.read_text(encoding="utf-8")))[1] == ()


@pytest.mark.parametrize("text", _TEXTS, ids=[path.stem for path in _FILES])
def test_no_comment_is_lost(text):
    """Comments belong to the tree, so that the formatter can keep them."""
    file, _ = parse(Source("a", text))
    assert len(file.comments) == text.count("#")


@pytest.mark.parametrize(
    "expression", ["(" * 150 + "1" + ")" * 150, "not " * 150 + "a", "- " * 150 + "1", "1" + " + 1" * 150]
)
def test_deep_nesting_is_refused(expression):
    """No input exhausts the stack: what nests beyond the limit is a finding."""
    _, found = parse(Source("a", f"scrimp 1\nconst a = {expression}\n"))
    assert [one.code for one in found] == ["SCR110"]


def test_file_beyond_the_limit_is_refused():
    """A million characters are read, one more is not."""
    _, found = parse(Source("a", "scrimp 1" + "\n" * MAX_CHARACTERS))
    assert [one.code for one in found] == ["SCR111"]
    assert parse(Source("a", "scrimp 1" + "\n" * (MAX_CHARACTERS - 8)))[1] == ()


def test_flood_of_mistakes_ends():
    """A file of another kind gives some findings, not one for each of its bytes."""
    _, found = parse(Source("a", "scrimp 1\n" + "const 5\n" * 5000))
    assert 1 < len(found) < 500


def test_expression_ends_with_its_text():
    """What follows a whole expression is not passed over."""
    node, found = parse_expression(Source("a", "size > 2 size"))
    assert [one.code for one in found] != []
    whole, none = parse_expression(Source("a", "avg(gpu_utilization) over 15m < 20%"))
    assert none == ()
    assert type(whole).__name__ == "Compare"
    assert node is None or type(node).__name__ == "Compare"


@pytest.mark.parametrize("inside", ["\u00fc", "\u200b", "\x00", "\u202e", "\ufeff"])
def test_a_foreign_character_in_a_name_is_one_finding(inside: str) -> None:
    """What stands around it is one word still: the rest of the file is read as it was meant."""
    text = f"scrimp 1\npolicy shr{inside}nk {{ target node_group when size > 2 do scale_down(by = 1) }}\n"
    file, found = parse(Source("a.scrimp", text))
    assert [(one.code, one.span and one.span.start) for one in found] == [("SCR104", text.index(inside))]
    assert len(file.items) == 1


def test_long_conditions_are_read_in_linear_time() -> None:
    """Each operand is looked at once: a list that is copied as it grows would take the square of its length."""
    operands = 3000
    text = (
        "scrimp 1\npolicy a { target node_group when "
        + " and ".join(["size > 2"] * operands)
        + " do alert() }\n"
    )
    file, found = parse(Source("a.scrimp", text))
    assert found == ()
    (policy,) = file.items
    assert isinstance(policy, ast.Policy)
    (condition,) = (one.condition for one in policy.clauses if isinstance(one, ast.When))
    assert isinstance(condition, ast.Logic)
    assert len(condition.operands) == operands
