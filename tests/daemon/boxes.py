"""A plug-in whose targets are files: one JSON document per node group, with a count of what was really done to it.

The collector brings the fields that its section names, by default all. Both the collector and the provider read the folder that their section names. A second effect under another key is not
prevented and shows in `effects`, so that an engine that acts twice is found out.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scrimp.api import (
    ActionResult,
    ActionSpec,
    Collected,
    KindBatch,
    PlannedAction,
    Probe,
    Reached,
    Refusal,
    Services,
)

ENTRY_POINTS = """\
[scrimp.collectors]
boxes = tests.daemon.boxes:BoxCollector

[scrimp.providers]
boxes = tests.daemon.boxes:FACTORY
"""
FIELDS = ("size", "gpu_utilization", "price_per_hour")


def install(site: Path) -> None:
    """Make the plug-in a distribution found under `site`."""
    info = site / "boxes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: boxes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


def put(folder: Path, name: str, **fields: Any) -> None:
    """Make a group, or change it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    new = {"size": 10.0, "gpu_utilization": 0.05, "price_per_hour": 3.0, "effects": []}
    _write(path, {**(json.loads(path.read_text()) if path.exists() else new), **fields})


def boxes(folder: Path) -> dict[str, dict[str, Any]]:
    """All groups, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _write(path: Path, box: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(box))
    os.replace(beside, path)  # noqa: PTH105 - the tracer of the crash test knows it by this name


class BoxCollector:
    """The groups as they are."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        del services
        self.name = str(config["name"])
        self.interval_s = float(config["interval_s"])
        self.folder = Path(config["folder"])
        self.fields = tuple(config.get("fields", FIELDS))

    def covers(self) -> Sequence[tuple[str, str]]:
        return [("node_group", field) for field in self.fields]

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        found = boxes(self.folder)
        fields = {name: [box[name] for box in found.values()] for name in self.fields}
        return Collected([KindBatch("node_group", list(found), fields)])


class BoxProvider:
    """Sets the size of a group and counts that it did, in one step and once per key."""

    name = "boxes"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _box(self, action: PlannedAction) -> tuple[Path, dict[str, Any]]:
        path = self.folder / f"{action.target.partition('/')[2]}.json"
        return path, json.loads(path.read_text())

    def handles(self, action: PlannedAction) -> bool:
        return (self.folder / f"{action.target.partition('/')[2]}.json").exists()

    def plan(self, action: PlannedAction) -> str:
        return f"set {dict(action.after)}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        _, box = self._box(action)
        return replace(action, before={"size": box["size"]})

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        path, box = self._box(action)
        if key not in box["effects"]:
            time.sleep(box.get("delay_s", 0.0))
            _write(
                path,
                {**box, "size": action.after.get("size", box["size"]), "effects": [*box["effects"], key]},
            )
        return ActionResult("set", dict(action.after))

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        _, box = self._box(action)
        return Probe(Reached.REACHED if key in box["effects"] else Reached.UNTOUCHED)


class Factory:
    """The entry point."""

    actions: Sequence[ActionSpec] = ()

    def __call__(self, config: Mapping[str, Any], services: Services) -> BoxProvider:
        return BoxProvider(Path(config["folder"]))


FACTORY = Factory()
