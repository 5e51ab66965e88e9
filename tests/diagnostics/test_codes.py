"""Each code has its row and its page, and no page lies: its wrong policy is refused so, its right one is not."""

import re
from importlib import resources

import pytest
from tests.checking import check_texts

from scrimp.diagnostics.codes import CODES, explain

_BLOCK = re.compile(r"^(Wrong|Right):\n\n```scrimp\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A policy that shows one of these would be too long to read.
_LARGE = {"SCR110", "SCR111"}
_PAGES = resources.files("scrimp.diagnostics") / "explain"
_CODE = re.compile(r"\"(SCR[0-9]{3})\"")


def _reported(room: str) -> set[str]:
    """The codes that stand in a room's source."""
    files = (resources.files("scrimp") / room).iterdir()
    return {code for file in files if file.name.endswith(".py") for code in _CODE.findall(file.read_text())}


def _blocks(code: str) -> dict[str, str]:
    return dict(_BLOCK.findall(explain(code) or ""))


def test_rows_and_pages_are_the_same_codes():
    """A page without a row is never shown, a row without a page has nothing to show."""
    assert {page.name for page in _PAGES.iterdir()} == {f"{code}.md" for code in CODES}


def test_codes_stand_in_order():
    """The table is read by people."""
    assert list(CODES) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_page_begins_with_code_and_title(code):
    """The page and the table call a code the same."""
    assert (explain(code) or "").startswith(f"# {code}: {CODES[code].title}\n")


def test_no_page_for_a_code_that_does_not_exist():
    """An unknown code is a question that has no answer, not an error."""
    assert explain("SCR999") is None


@pytest.mark.parametrize("room", ["lang", "check"])
def test_every_code_that_is_reported_has_its_row(room):
    """A finding says `scrimp explain CODE`; that must not lead nowhere."""
    reported = _reported(room)
    assert len(reported) > 10
    assert reported <= set(CODES)


@pytest.mark.parametrize("code", sorted((_reported("lang") | _reported("check")) - _LARGE))
def test_wrong_policy_is_reported_and_right_one_is_clean(code):
    """The wrong block gives this code, and no other error; the right one gives nothing at all."""
    blocks = _blocks(code)
    assert set(blocks) == {"Wrong", "Right"}
    wrong = {found.code for found in check_texts([blocks["Wrong"]])[1]}
    assert wrong == {code}
    checked, found = check_texts([blocks["Right"]])
    assert [(one.code, one.message) for one in found] == []
    assert checked is not None
