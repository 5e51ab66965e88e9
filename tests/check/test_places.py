"""Mistakes and where they are found, one each; the specification's example and the library, which have none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.checking import check_texts, told

_ROOT = Path(__file__).parents[2]
_CORPUS = _ROOT / "tests" / "corpus" / "check"
_LIBRARY = sorted((_ROOT / "policies").glob("*.scrimp"))


def _cases() -> Iterator[tuple[str, str, list[str]]]:
    for file in sorted((_CORPUS / "places").glob("*.yaml")):
        for case in yaml.safe_load(file.read_text(encoding="utf-8")):
            yield f"{file.stem}: {case['name']}", case["policy"], case["expect"]


_CASES = list(_cases())


def _found(texts: list[str]) -> list[str]:
    """Findings as `CODE LINE:COLUMN`."""
    shown = []
    for one in check_texts(texts)[1]:
        assert one.source is not None
        assert one.span is not None
        place = one.source.place(one.span.start)
        shown.append(f"{one.code} {place.line}:{place.column}")
    return shown


@pytest.mark.parametrize(
    ("policy", "expect"), [case[1:] for case in _CASES], ids=[case[0] for case in _CASES]
)
def test_each_mistake_is_found_once_and_in_its_place(policy, expect):
    """One mistake is one finding, and all of a file's are shown at once."""
    assert _found([policy]) == expect


_MISTAKES = yaml.safe_load((_CORPUS / "mistakes" / "usual.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", _MISTAKES["cases"], ids=[case["name"] for case in _MISTAKES["cases"]])
def test_usual_mistakes_of_one_policy(case):
    """One sound policy, and what people write instead: code, place, message and advice, and nothing else."""
    text = _MISTAKES["base"]
    for right, wrong in case["edits"]:
        assert right in text
        text = text.replace(right, wrong)
    assert [told(one) for one in check_texts([text])[1]] == case["found"]


def test_corpus_is_read():
    """An empty glob would test nothing."""
    assert len(_CASES) >= 100
    assert len(_LIBRARY) >= 5


def test_example_of_the_language_has_no_error():
    """The specification's own example; its `spare` is shown and not used."""
    text = (_CORPUS / "example.scrimp").read_text(encoding="utf-8")
    checked, _ = check_texts([text])
    assert checked is not None
    assert [policy.name for policy in checked.policies] == ["shrink_idle_training", "batch_to_spot"]
    assert len(checked.tests) == 1
    assert _found([text]) == ["SCR301 4:7"]


def test_library_is_clean_as_one_set():
    """What people start from has not even a warning, and no name twice."""
    checked, found = check_texts([path.read_text(encoding="utf-8") for path in _LIBRARY])
    assert [one.message for one in found] == []
    assert checked is not None
