"""Plug-ins and `scrimp run`: what stops it, and what is only told."""

from pathlib import Path

import pytest
from tests.daemon.boxes import put
from tests.daemon.processes import Room

POLICY = """scrimp 1

policy shrink {
  "Halve groups that sit idle."
  owner    "team"
  mode     enforce
  target   node_group
  when     gpu_utilization < 20%
  do       scale_down(by = 50%)
}
"""
CONFIG = """\
collectors:
  boxes: {folder: boxes}
providers:
  boxes: {folder: boxes}
"""
MORE = """\
[scrimp.providers]
broken = no_such_module:build

[scrimp.collectors]
odd = stranger:odd
"""
STRANGER = """\
from scrimp.testing import FakeCollector
from scrimp.api import Collected

def odd(config, services):
    return FakeCollector([Collected([])], [("node_group", "sise")], config["name"], config["interval_s"])
"""


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A folder whose engine acts, with a stranger's distribution installed of which one part cannot be imported."""
    found = Room.make(tmp_path, CONFIG, POLICY)
    put(tmp_path / "boxes", "a")
    info = tmp_path / "site" / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(MORE)
    (tmp_path / "site" / "stranger.py").write_text(STRANGER)
    return found


def test_what_nobody_needs_is_told_and_does_not_stop(room: Room) -> None:
    """A package that somebody installed, and a column too many, are no reason to leave the fleet alone."""
    config = room.folder / "scrimp.yaml"
    config.write_text(CONFIG.replace("providers:", "  odd: {}\nproviders:"))
    ran = room.run("run", "--once")
    assert ran.returncode == 0, ran.stderr
    assert "warning[SCR406]" in ran.stderr
    assert "warning[SCR503]" in ran.stderr
    assert len(room.records("outcome")) == 1


@pytest.mark.parametrize(
    ("config", "key", "said"),
    [
        (CONFIG + "  broken: {}\n", "broken", "provider `broken`: ModuleNotFoundError"),
        (CONFIG + "  boxxes: {}\n", "boxxes", "no plug-in of type `boxxes`"),
        (CONFIG.replace("boxes: {folder: boxes}", "boxes: {}", 1), "boxes", "its section needs `folder`"),
    ],
)
def test_what_the_configuration_asks_for_must_be_there(room: Room, config: str, key: str, said: str) -> None:
    """And the finding says where it asks."""
    (room.folder / "scrimp.yaml").write_text(config)
    line = next(at for at, text in enumerate(config.splitlines(), 1) if text.startswith(f"  {key}: "))
    for command in (["plan"], ["run", "--once"]):
        ran = room.run(*command)
        assert ran.returncode == 2
        assert "error[SCR406]" in ran.stderr
        assert said in ran.stderr
        assert f"scrimp.yaml:{line}:3" in ran.stderr
    assert room.records() == []


def test_an_action_of_a_broken_provider_is_an_error_of_the_policy(room: Room) -> None:
    policies = room.folder / "policies" / "p.scrimp"
    policies.write_text(POLICY.replace("scale_down(by = 50%)", "defrost()"))
    ran = room.run("run", "--once")
    assert ran.returncode == 2
    assert "SCR203" in ran.stderr
