"""Findings of the checker, case by case: `tests/corpus/check/*.yaml`.

`pytest tests/check/test_corpus.py --rewrite` writes what is found now into the files; read the diff.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.checking import check_texts, told

FOLDER = Path(__file__).parent.parent / "corpus/check"
FILES = sorted(FOLDER.glob("*.yaml"))


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that policies can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _cases() -> list[Any]:
    return [
        pytest.param(file, at, id=f"{file.stem}-{case['name'].replace(' ', '_')}")
        for file in FILES
        for at, case in enumerate(yaml.safe_load(file.read_text("utf-8")))
    ]


@pytest.mark.parametrize(("file", "at"), _cases())
def test_finds_what_the_corpus_says(file: Path, at: int, request: pytest.FixtureRequest) -> None:
    """Code, place, message and hint: all of a finding is what users see, and what tools rely on."""
    cases = yaml.safe_load(file.read_text("utf-8"))
    case = cases[at]
    texts = case["text"] if isinstance(case["text"], list) else [case["text"]]
    checked, diagnostics = check_texts(texts)
    found = [told(one) for one in diagnostics]
    if request.config.getoption("--rewrite") and found != case.get("found"):
        case["found"] = found
        file.write_text(
            yaml.dump(cases, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000), "utf-8"
        )
    assert found == case.get("found")
    assert (checked is None) == any(line.startswith(("error[SCR112]", "error[SCR2")) for line in found)


def test_every_code_of_the_checker_has_a_case() -> None:
    """A code that no case gives is one whose message nobody has read."""
    room = Path(__file__).parent.parent.parent / "engine/scrimp/check"
    source = "".join(file.read_text("utf-8") for file in room.glob("*.py"))
    cases = "".join(file.read_text("utf-8") for file in FILES)
    codes = {f"SCR{number}" for number in range(200, 400)}
    assert {code for code in codes if f'"{code}"' in source and f"[{code}]" not in cases} == set()
