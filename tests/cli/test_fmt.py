"""`scrimp fmt`."""

from pathlib import Path

from tests.cli.command import POLICIES, Shell


def test_formats_in_place_and_keeps_the_mode(scrimp: Shell, folder: Path) -> None:
    file = folder / "policies" / "idle.scrimp"
    file.write_text(POLICIES.replace("  when     ", "  when            "))
    file.chmod(0o640)
    ran = scrimp("fmt")
    assert (ran.code, ran.out) == (0, "changed policies/idle.scrimp\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["idle.scrimp"]
    assert scrimp("fmt", "--check").code == 0


def test_check_writes_nothing(scrimp: Shell, folder: Path) -> None:
    file = folder / "policies" / "idle.scrimp"
    text = POLICIES.replace("  when     ", "  when            ")
    file.write_text(text)
    ran = scrimp("fmt", "--check", "policies/idle.scrimp")
    assert (ran.code, ran.out) == (1, "would change policies/idle.scrimp\n")
    assert file.read_text() == text


def test_a_broken_file_is_left_alone(scrimp: Shell, folder: Path) -> None:
    """What did not parse is not in the tree: writing it back would lose it."""
    file = folder / "policies" / "idle.scrimp"
    file.write_text("policy {{{ # mine\n")
    ran = scrimp("fmt")
    assert (ran.code, ran.out) == (1, "")
    assert "SCR1" in ran.err
    assert file.read_text() == "policy {{{ # mine\n"
