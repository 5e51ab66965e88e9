"""The ways of notices on AWS, in wall time, with real parts: from the queue or the metadata to a worker that takes no more.

The parts stand in `spot_site`: AWS as it is played, the engine, the workers. Here are the notices, and the bars.

- queue: an event as EventBridge forms it is put on the SQS queue -> long poll -> board -> wake -> tick -> `rescue` -> control
  document -> the worker reads it, and says so.
- metadata: the metadata of the instance say that it is taken -> the worker drains by itself, and reports -> `imds` -> the same.

What is measured: from the sending until the worker's `control()` says that it should leave, and from there until a replacement is
asked for at AWS (the call of CreateFleet begins). How long AWS takes itself is not in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from bench import Arguments, Bar, Table, at_most
from spot_site import KEYS, REGION, Site, missing, site

COUNT, ROUNDS = 8, 8
"""So many notices by each channel in a round; a full run has so many rounds, each on the replacements of the one before."""

OVER_S = 5.0
"""The notices of a round are spread over more than one of the workers' looks."""

NEEDED_S = 18.0
"""A quick run with less time left does without."""

UP_S, TOLD_S = 120.0, 12.0
WARNING = "EC2 Spot Instance Interruption Warning"


def until(done: Callable[[], bool], limit_s: float) -> bool:
    """Wait; whether it came true."""
    end_s = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def instant(at_s: float) -> str:
    """A time as AWS writes it, in whole seconds."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def warning(instance: str, at_s: float) -> str:
    """The event, as EventBridge forms it."""
    event = {
        "version": "0",
        "id": f"0-{instance}",
        "detail-type": WARNING,
        "source": "aws.ec2",
        "account": "123456789012",
        "time": instant(at_s),
        "region": REGION,
        "resources": [f"arn:aws:ec2:{REGION}:123456789012:instance/{instance}"],
        "detail": {"instance-id": instance, "instance-action": "terminate"},
    }
    return json.dumps(event)


@dataclass(frozen=True, slots=True)
class Ways:
    """Seconds by channel: until no more work is taken, and from there until the replacement was asked for."""

    stop_s: Mapping[str, Sequence[float]]
    ask_s: Mapping[str, Sequence[float]]


def notify(played: Site, instances: Sequence[str], rng: Random) -> Ways:
    """A notice for each at a random moment, by the channels in turns; and what followed from them."""
    members = {one: played.provider.fleets.manager.runner.known(one) for one in instances}
    due = sorted((rng.uniform(0.0, OVER_S), at % 2, one) for at, one in enumerate(instances))
    sent_s: dict[str, float] = {}
    began_s = time.time()
    for offset_s, by_metadata, instance in due:
        time.sleep(max(0.0, began_s + offset_s - time.time()))
        sent_s[instance] = now_s = time.time()
        if by_metadata:
            played.metadata.take("terminate", instant(now_s + 120.0), instance)
        else:
            played.put_event(warning(instance, now_s))
    asked_s: dict[str, float] = {}

    def answered() -> bool:
        for instance, entry in members.items():
            found = None if entry is None else played.asked_s(entry.name)
            if found is not None:
                asked_s.setdefault(instance, found)
        return len(asked_s) == len(instances) and all(one in played.told_s for one in instances)

    until(answered, TOLD_S)
    # What has not come by then counts as come then, and who was never told as told with its notice: beyond every bar.
    late_s = time.time()
    named = {
        "queue": [one for _, way, one in due if not way],
        "metadata": [one for _, way, one in due if way],
    }
    stop_s = {
        way: [played.told_s.get(one, late_s) - sent_s[one] for one in some] for way, some in named.items()
    }
    ask_s = {
        way: [asked_s.get(one, late_s) - played.told_s.get(one, sent_s[one]) for one in some]
        for way, some in named.items()
    }
    return Ways(stop_s, ask_s)


def together(rounds: Sequence[Ways]) -> Ways:
    """All rounds as one."""

    def joined(parts: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
        return {way: [value for part in parts for value in part[way]] for way in parts[0]}

    return Ways(joined([one.stop_s for one in rounds]), joined([one.ask_s for one in rounds]))


def ways(server: subprocess.Popen[str], folder: Path, rounds: int, seed: int) -> Ways:
    """All rounds, each on a fleet that is whole again."""
    rng, found = Random(seed), []
    with site(server, folder, 2 * COUNT) as played:
        for _ in range(rounds):
            if not until(lambda: len(played.fresh()) >= 2 * COUNT, UP_S):
                raise TimeoutError("the fleet did not come up")
            instances = played.fresh()
            played.join(instances)
            until(partial(played.at_work, instances), UP_S)
            found.append(notify(played, instances, rng))
    return together(found)


def measure_channels(
    given: Arguments, server: subprocess.Popen[str] | None
) -> tuple[list[Bar], list[Table], list[str]]:
    """The bars of both channels; left out where AWS cannot be played, or there is no time for it."""
    cause = missing() or ("no time" if given.left_s() < NEEDED_S else "")
    if cause or server is None:
        return [], [], [f"notices by the channels of AWS: {cause}"]
    kept = {name: os.environ.get(name) for name in KEYS}
    os.environ.update(KEYS)
    try:
        with tempfile.TemporaryDirectory(prefix="scrimp-channels-", ignore_cleanup_errors=True) as folder:
            found = ways(server, Path(folder), 1 if given.quick else ROUNDS, given.seed)
    except TimeoutError as error:
        return [], [], [f"notices by the channels of AWS: {error}"]
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    bars, rows = [], []
    for way, stop_s in found.stop_s.items():
        # A replacement may be asked for before the worker stops: then it is asked for at once.
        ask_s = np.maximum(found.ask_s[way], 0.0)
        bars.append(
            at_most(f"notice by {way}: no more work, p99", float(np.percentile(stop_s, 99)), 6.0, "s")
        )
        bars.append(
            at_most(
                f"notice by {way}: replacement asked for after that, p99",
                float(np.percentile(ask_s, 99)),
                2.0,
                "s",
            )
        )
        figures = [float(np.percentile(of, q)) for of in (stop_s, ask_s) for q in (50, 99)]
        rows.append((way, float(len(stop_s)), *figures))
    columns = ("channel of AWS", "notices", "stop p50", "stop p99", "ask p50", "ask p99")
    return bars, [Table("from the notice on AWS's channels, wall seconds", columns, rows)], []
