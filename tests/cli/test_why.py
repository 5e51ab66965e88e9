"""`scrimp why`: over a snapshot, over the world as it is, and over what was recorded."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.command import POLICIES, Shell
from tests.daemon.boxes import put
from tests.daemon.processes import Room

from scrimp.store import read_records, visit_store

CONFIG = "collectors:\n  boxes: {folder: boxes}\nproviders:\n  boxes: {folder: boxes}\n"


def sections(out: str) -> dict[str, list[str]]:
    """The lines under each heading."""
    found: dict[str, list[str]] = {}
    for line in out.splitlines():
        if line.startswith("  "):
            found[list(found)[-1]].append(line.strip())
        else:
            found[line] = []
    return found


@pytest.mark.parametrize(
    ("target", "clause", "verdict", "blocker"),
    [
        ("node_group/audio-a", "true    gpu_utilization = 8% < 15%, margin 0.07", "act: ", "none"),
        ("busy", "false   gpu_utilization = 90% < 15%, margin -0.75", "false: ", "when: false"),
        (
            "dark",
            "unknown gpu_utilization = unknown < 15%: `gpu_utilization` is missing",
            "unknown: ",
            "when: unknown",
        ),
    ],
)
def test_clauses_verdict_and_first_blocker(
    scrimp: Shell, target: str, clause: str, verdict: str, blocker: str
) -> None:
    ran = scrimp("why", "shrink_idle", target, "--snapshot", "now.json")
    assert ran.code == 0
    found = sections(ran.out)
    assert found["when"] == [clause]
    assert found["verdict"][0].startswith(verdict)
    assert found["first blocker"][0].startswith(blocker)


def test_what_does_not_exist_is_named(scrimp: Shell) -> None:
    ran = scrimp("why", "shrink_idel", "audio-a", "--snapshot", "now.json")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean shrink_idle?" in ran.err
    assert scrimp("why", "shrink_idle", "audio-z", "--snapshot", "now.json").code == 2
    assert scrimp("why", "shrink_idle", "audio-a", "--snapshot", "none.json").code == 2
    assert scrimp("why", "shrink_idle", "audio-a", "--snapshot", "now.json", "--at", "2h").code == 2


def test_a_kind_that_nobody_reports_is_unknown(scrimp: Shell) -> None:
    """No collector is configured: that is the answer, and no error."""
    ran = scrimp("why", "shrink_idle", "audio-a")
    assert ran.code == 0
    assert sections(ran.out)["verdict"] == ["unknown: no source reports `node_group`"]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    found = Room.make(tmp_path / "room", CONFIG, POLICIES.partition("\ntest ")[0] + "\n")
    put(found.folder / "boxes", "a")
    return found


def test_the_world_as_it_is_and_as_it_was_recorded(
    room: Room, scrimp: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, it is what the next tick concludes; with --at, what a tick had concluded by then, and what came of it."""
    monkeypatch.chdir(room.folder)
    monkeypatch.syspath_prepend(str(room.folder / "site"))
    before_s = time.time()
    now = sections(scrimp("why", "shrink_idle", "a").out)
    assert now["verdict"] == ["act: gpu_utilization = 5% < 15%"]
    assert not (room.folder / ".scrimp").exists()
    assert scrimp("run", "--once").code == 0
    after = sections(scrimp("why", "shrink_idle", "node_group/a").out)
    assert after["when"] == ["true    gpu_utilization = 5% < 15%, margin 0.1"]
    assert after["verdict"][0].startswith("cooling: ")
    assert after["first blocker"] == ["cooldown"]
    with visit_store(room.folder / ".scrimp", time.time) as visit:
        (decision,) = read_records(visit.log, event="decision")
    then = sections(scrimp("why", "shrink_idle", "a", "--at", "0s").out)
    assert then["seen"] == ["gpu_utilization = 0.05"]
    assert then["verdict"] == ["act: gpu_utilization = 5% < 15%"]
    assert [line.partition(": ")[2].split()[:2] for line in then["after that"]] == [
        ["intent", "scale_down"],
        ["outcome", "scale_down"],
    ]
    only = sections(scrimp("why", "shrink_idle", "a", "--at", decision["at"]).out)
    assert "after that" not in only
    early = datetime.fromtimestamp(before_s, UTC).isoformat()
    ran = scrimp("why", "shrink_idle", "a", "--at", early)
    assert (ran.code, ran.out) == (2, "")
    assert "nothing is recorded about shrink_idle and a by" in ran.err
    assert scrimp("why", "shrink_idle", "a", "--at", "soon").code == 2
