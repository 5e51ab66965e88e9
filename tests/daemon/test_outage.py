"""A real Prometheus under a real `scrimp run`: it stops, comes back as a wall of zeros, and at last tells the truth."""

import time
from pathlib import Path

from tests.daemon.boxes import boxes, put
from tests.daemon.processes import Room
from tests.servers import free_port, needed, prometheus, wait_for

from scrimp.store import SOURCES, Record, visit_store

GROUPS = [f"g{number:02}" for number in range(12)]
POLICY = """scrimp 1

policy shrink {
  "Halve groups that sit idle."
  owner    "team"
  mode     enforce
  target   node_group
  when     avg(gpu_utilization) over 4m < 20%
  do       scale_down(by = 50%)
  cooldown 26h per target
}
"""
CONFIG = """\
interval: 1s
collectors:
  boxes: {{folder: boxes, fields: [size, price_per_hour]}}
  prom:
    type: prometheus
    url: "{url}"
    interval: 10s
    deadline: 5s
    queries:
      - {{kind: node_group, field: gpu_utilization, query: util, label: group, scale: 0.01}}
providers:
  boxes: {{folder: boxes}}
"""


def samples(percent: float) -> str:
    """All groups at one utilization, from ten minutes ago until in five minutes."""
    now = int(time.time())
    lines = ["# TYPE util gauge"]
    lines += [
        f'util{{group="{group}"}} {percent} {at}' for group in GROUPS for at in range(now - 600, now + 300, 5)
    ]
    return "\n".join(lines) + "\n"


def room(tmp_path: Path, port: int) -> Room:
    needed("prometheus", "promtool")
    for group in GROUPS:
        put(tmp_path / "boxes", group)
    return Room.make(tmp_path, CONFIG.format(url=f"http://127.0.0.1:{port}"), POLICY)


def unknown(cause: str):
    def wanted(record: Record) -> bool:
        values = record["values"]
        return values.get("verdict") == "unknown" and cause in values["reason"]

    return wanted


def effects(room: Room) -> int:
    return sum(len(box["effects"]) for box in boxes(room.folder / "boxes").values())


def seen_alive(room: Room) -> bool:
    """Whether a tick has believed the source."""
    if not (room.folder / ".scrimp" / "scrimp.db").exists():
        return False
    with visit_store(room.folder / ".scrimp", time.time) as visit:
        return bool(visit.load_memory(SOURCES).get("prom", {}).get("alive"))


def test_an_outage_and_a_wall_of_zeros_take_nothing_away(tmp_path: Path) -> None:
    """Promise one, end to end and over a restart; then the same policy acts on what is true, at once."""
    port, everybody = free_port(), {f"node_group/{group}" for group in GROUPS}
    at = room(tmp_path, port)
    with at.engine():
        with prometheus(tmp_path / "busy", samples(40), port):
            wait_for(lambda: seen_alive(at), "a tick")
            # Busy, and known at once: the window was filled with the past.
            assert at.records("decision") == []
        stopped = at.wait_for_records(unknown("cannot be reached"), len(GROUPS))
        assert {one["target"] for one in stopped} == everybody
        with prometheus(tmp_path / "zeros", samples(0), port):
            at.wait_for_records(zeros_told, 1, "alert")
    restarted = at.last()
    with at.engine():
        with prometheus(tmp_path / "zeros again", samples(0), port):
            doubted = at.wait_for_records(unknown("turned to zero"), len(GROUPS), after=restarted)
            assert {one["target"] for one in doubted} == everybody
        assert effects(at) == 0
        with prometheus(tmp_path / "idle", samples(5), port):
            done = at.wait_for_records(lambda one: True, len(GROUPS), "outcome")
            assert {one["target"] for one in done} == everybody
            at.wait_for_records(lambda one: one["values"].get("message") == "answers again", 1, "alert")
    assert effects(at) == len(GROUPS)
    assert at.run("audit", "verify").returncode == 0


def zeros_told(record: Record) -> bool:
    return record["values"].get("code") == "SCR504"
