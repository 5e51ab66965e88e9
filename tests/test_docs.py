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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_benchmarks_that_figures_are_of_exist(page: Path) -> None:
    """A figure whose command cannot be run is hearsay."""
    named = set(re.findall(r"\bpython benchmarks/([a-z_]+\.py)", page.read_text()))
    assert named <= benchmarks()


def test_every_benchmark_has_its_row() -> None:
    """And no row is of one that is gone."""
    rows = re.findall(r"^\| `([a-z_]+\.py)` \|", (ROOT / "benchmarks/README.md").read_text(), re.MULTILINE)
    assert rows
    assert set(rows) == benchmarks()
    assert len(rows) == len(set(rows))


def benchmarks() -> set[str]:
    """Scripts of the folder that can be run; the others are parts of them."""
    scripts = (ROOT / "benchmarks").glob("*.py")
    return {path.name for path in scripts if "sys.exit(run(" in path.read_text()}


def test_every_folder_at_the_top_has_its_chapter() -> None:
    """The map is complete."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
    tracked = [
        path
        for path in folders
        if path.name in {"engine", "actions", "schemas", "policies", "tests", "benchmarks", "examples"}
    ]
    assert [path.name for path in tracked if not (path / "README.md").exists()] == []
