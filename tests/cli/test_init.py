"""`scrimp init`."""

from pathlib import Path

import pytest
from tests.cli.command import Shell


def test_what_it_writes_passes_its_own_checks(
    scrimp: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team begins with everything green."""
    assert scrimp("init", str(tmp_path / "new")).code == 0
    monkeypatch.chdir(tmp_path / "new")
    assert scrimp("check", "--strict").code == 0
    assert scrimp("fmt", "--check").code == 0
    assert scrimp("test").code == 0


def test_nothing_is_overwritten(scrimp: Shell, tmp_path: Path) -> None:
    """One file that is there stops all."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new/README.md").write_text("mine")
    ran = scrimp("init", str(tmp_path / "new"))
    assert ran.code == 2
    assert "`README.md` is there already" in ran.err
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["README.md"]
