"""A team's folder with one policy, one test and one snapshot."""

from pathlib import Path

import pytest
from tests.cli.command import POLICIES, SNAPSHOT, Shell


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the commands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "idle.scrimp").write_text(POLICIES)
    (tmp_path / "now.json").write_text(SNAPSHOT)
    return tmp_path


@pytest.fixture
def scrimp(folder: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The command line in that folder."""
    assert folder.is_dir()
    return Shell(capsys)
