"""Docs that lie fail here: policies in them check clean, commands in them exist, links in them lead somewhere."""

import re
from pathlib import Path

import pytest
from tests.policies import checked

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("examples/*/README.md")])
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\.venv/bin/scrimp (\w+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_policies_in_docs_check_clean(page: Path) -> None:
    """What a reader copies must work."""
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "scrimp":
            assert checked(text).policies


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Links within the repository name files that are there."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_commands_in_the_readme_exist() -> None:
    """A command that is shown can be typed."""
    shown = set(COMMAND.findall((ROOT / "README.md").read_text()))
    there = {path.stem for path in (ROOT / "engine/scrimp/cli").glob("[a-z]*.py")}
    assert shown
    assert shown <= there


def test_every_folder_at_the_top_has_its_chapter() -> None:
    """The map is complete."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
    tracked = [
        path
        for path in folders
        if path.name in {"engine", "actions", "schemas", "policies", "tests", "benchmarks", "examples"}
    ]
    assert [path.name for path in tracked if not (path / "README.md").exists()] == []
