"""The command line as its users meet it: run in this process, output captured."""

from dataclasses import dataclass

import pytest

from scrimp.cli._app import run

POLICIES = """\
scrimp 1

policy shrink_idle {
  "Halve idle groups."
  owner    "platform"
  mode     enforce
  priority 40
  target   node_group
  when     gpu_utilization < 15%
  do       scale_down(by = 50%)
  cooldown 1h per target
}

test shrink_idle "halves an idle group" {
  start "2026-03-02T00:00Z" every 5m
  given node_group "train" { size = 10, price_per_hour = $4/h }
  series gpu_utilization["train"] = 8% x3
  at 0m expect scale_down(to = 5)
}
"""
BROKEN = POLICIES.replace("gpu_utilization < 15%", "gpu_utilisation < 15%")
SNAPSHOT = """\
{"scrimp": "snapshot/1", "at": "2026-11-23T12:00:00Z",
 "kinds": {"node_group": [
   {"name": "audio-a", "size": 10, "gpu_utilization": 0.08, "price_per_hour": 3},
   {"name": "busy", "size": 4, "gpu_utilization": 0.9, "price_per_hour": 3},
   {"name": "dark", "size": 4, "gpu_utilization": null, "price_per_hour": 3}]}}
"""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Shell:
    """Runs commands in the working folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        code = run(arguments)
        out, err = self.capsys.readouterr()
        return Ran(code, out, err)
