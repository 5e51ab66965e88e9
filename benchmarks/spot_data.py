"""Series of spot availability for the spot benchmark: read from a data folder, or generated with like statistics.

What is measured with a series is read from its entry in `manifest.json`, never from the name of a set or file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bench import Arguments, read_csv
from scrimp_actions.spot.traces import Climate, generate_region
from spot_replay import Market

SHORTEST_H = 82.0  # the longest window of a job, and a little room to start it at different times
JOINED_S = 150.0  # ticks shorter than this are joined


@dataclass(slots=True)
class Sets:
    """What there is to measure.

    `choice`: the zones of a set of probes for one instance of one type with the price of each tick, to choose from.
    `deep`: H100 series of probes for several instances, one of which is needed: their depth is seen, too.
    `alone`: each other series as a market of its own; all of its instances are needed. `by_set` keeps them by set.
    """

    choice: dict[str, list[Market]] = field(default_factory=dict)
    deep: list[Market] = field(default_factory=list)
    alone: dict[str, list[Market]] = field(default_factory=dict)


def read_markets(given: Arguments) -> Sets | None:
    """Every series of the manifest; None without one. Event lists, and series without prices or too short, are left out."""
    found = given.files("spot", "manifest.json")
    if not found:
        return None
    entries = [
        entry
        for entry in json.loads(found[0].read_text(encoding="utf-8"))["spot"]
        if entry.get("count") and entry.get("spot_usd_h_mean") and (found[0].parent / entry["file"]).is_file()
    ]
    sets = Sets()
    groups: dict[tuple[Any, ...], list[Market]] = {}
    for entry in entries:
        count = int(entry["count"])
        deep = count > 1 and "probe" in entry["kind"] and str(entry.get("accelerator")).startswith("H100")
        market = _read(entry, found[0].parent / entry["file"], 1 if deep else count)
        if market.ticks * market.gap_s / 3600 < SHORTEST_H:
            continue
        if deep:
            sets.deep.append(market)
            continue
        sets.alone.setdefault(entry["group"], []).append(market)
        if count == 1 and "probe" in entry["kind"] and "spot_usd_h" in entry["columns"]:
            groups.setdefault((entry["group"], entry["instance_type"], market.gap_s), []).append(market)
    sets.choice = {str(key[0]): zones for key, zones in groups.items() if len(zones) > 1}
    return sets


def _read(entry: dict[str, Any], path: Path, need: int) -> Market:
    """One series; it is available where `need` instances could be had, and a joined tick if all of it was."""
    rows = read_csv(path)
    count, mean, gap_s = int(entry["count"]), float(entry["spot_usd_h_mean"]), float(entry["gap_s"])
    had = np.array([float(row["available"]) for row in rows])
    price = np.array([float(row.get("spot_usd_h") or mean) for row in rows])
    join = max(1, int(JOINED_S // gap_s))
    whole = len(had) // join * join
    had = had[:whole].reshape(-1, join).min(axis=1)[:, None]
    return Market(
        entry["name"],
        (entry["name"],),
        gap_s * join,
        had >= need,
        price[:whole].reshape(-1, join).mean(axis=1)[:, None],
        float(entry["on_demand_usd_h"]),
        had / count if need < count else None,
    )


def together(name: str, markets: Sequence[Market]) -> Market:
    """Several series of one set as one market with a pool each; they begin together and end with the shortest."""
    ticks = min(market.ticks for market in markets)
    return replace(
        markets[0],
        name=name,
        pools=tuple(market.name for market in markets),
        available=np.concatenate([market.available[:ticks] for market in markets], axis=1),
        price_usd_h=np.concatenate([market.price_usd_h[:ticks] for market in markets], axis=1),
    )


def generated_markets(seed: int) -> Sets:
    """Markets with the statistics of the public series, for a machine without them."""
    rng = Random(seed)
    choice = _generate(rng, Climate(), zones=4, ticks=20_000, gap_s=195.0, price=3.06)
    deep = _generate(
        rng,
        Climate(up_mean_s=5 * 3600, down_mean_s=1.5 * 3600, discount=0.8),
        zones=4,
        ticks=2_100,
        gap_s=600.0,
        price=10.3,
        instances=16,
    )
    scarce = _generate(
        rng, Climate(up_mean_s=3 * 3600, down_mean_s=3 * 3600), zones=3, ticks=3_000, gap_s=600.0, price=3.06
    )
    return Sets({"generated": choice}, deep, {"generated": choice, "generated, scarce": scarce})


def _generate(
    rng: Random, climate: Climate, *, zones: int, ticks: int, gap_s: float, price: float, instances: int = 1
) -> list[Market]:
    """Zones of one region."""
    names = tuple(f"zone-{k}" for k in range(zones))
    traces = generate_region(
        names, climate, rng, ticks=ticks, gap_s=gap_s, instances=instances, on_demand_per_hour=price
    )
    return [
        Market(
            trace.pool,
            (trace.pool,),
            gap_s,
            (trace.capacity > 0)[:, None],
            trace.price_per_hour[:, None],
            price,
            trace.capacity[:, None] / instances if instances > 1 else None,
        )
        for trace in traces
    ]
