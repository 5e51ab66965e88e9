"""`scrimp explain`."""

from tests.cli.command import Shell


def test_shows_the_page_in_any_case(scrimp: Shell) -> None:
    ran = scrimp("explain", "scr401")
    assert ran.code == 0
    assert ran.out.startswith("# SCR401")


def test_an_unknown_code_is_wrong_usage(scrimp: Shell) -> None:
    ran = scrimp("explain", "SCR999")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no code SCR999" in ran.err
