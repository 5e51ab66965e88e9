"""`scrimp why`."""

from tests.cli.command import Shell


def test_shows_clauses_and_verdict(scrimp: Shell) -> None:
    ran = scrimp("why", "shrink_idle", "node_group/audio-a", "--snapshot", "now.json")
    assert ran.code == 0
    assert "gpu_utilization = 8% < 15%" in ran.out
    assert "act" in ran.out
    assert "false" in scrimp("why", "shrink_idle", "busy", "--snapshot", "now.json").out
    assert "unknown" in scrimp("why", "shrink_idle", "dark", "--snapshot", "now.json").out


def test_what_does_not_exist_is_named(scrimp: Shell) -> None:
    ran = scrimp("why", "shrink_idel", "audio-a", "--snapshot", "now.json")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean shrink_idle?" in ran.err
    assert scrimp("why", "shrink_idle", "audio-z", "--snapshot", "now.json").code == 2
    assert scrimp("why", "shrink_idle", "audio-a", "--snapshot", "none.json").code == 2
