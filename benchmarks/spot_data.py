"""Series of spot availability for the spot benchmark: read from a data folder, or generated with like statistics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bench import Arguments, read_csv
from scrimp_actions.spot.traces import Climate, generate_region
from spot_replay import Market

CHOICE_SET = "aws-v100x1-2023-02"
DEPTH_SET = "gcp-h100-16node-2025-10"
SHORTEST_H = 82.0  # the longest window of a job, and a little room to start it at different times


def read_markets(given: Arguments) -> dict[str, list[Market]]:
    """Every series of the manifest as a market of its own, by set. Event lists and series without prices are left out.

    A series counts as available where all of its `count` instances could be had, in the H100 set where one could.
    """
    found = given.files("spot", "manifest.json")
    if not found:
        return {}
    entries = json.loads(found[0].read_text(encoding="utf-8"))["spot"]
    markets: dict[str, list[Market]] = {}
    for entry in entries:
        path = found[0].parent / entry["file"]
        if entry["count"] is None or not path.is_file() or entry.get("spot_usd_h_mean") is None:
            continue
        market = _read(entry, path)
        if market.ticks * market.gap_s / 3600 >= SHORTEST_H:
            markets.setdefault(entry["group"], []).append(market)
    return markets


def _read(entry: dict[str, Any], path: Path) -> Market:
    """One series; ticks shorter than 150 s are joined, and a joined tick is available if all of it was."""
    rows = read_csv(path)
    need = 1 if entry["group"] == DEPTH_SET else int(entry["count"])
    had = np.array([float(row["available"]) for row in rows])
    up = had >= need
    mean = float(entry["spot_usd_h_mean"])
    price = np.array([float(row.get("spot_usd_h") or mean) for row in rows])
    gap_s = float(entry["gap_s"])
    join = max(1, int(150 // gap_s))
    whole = len(up) // join * join
    return Market(
        entry["name"],
        (entry["name"],),
        gap_s * join,
        up[:whole].reshape(-1, join).all(axis=1)[:, None],
        price[:whole].reshape(-1, join).mean(axis=1)[:, None],
        float(entry["on_demand_usd_h"]),
        had[:whole].reshape(-1, join).min(axis=1)[:, None] / int(entry["count"]) if need < int(entry["count"]) else None,
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


def generated_markets(seed: int) -> dict[str, list[Market]]:
    """Markets with the statistics of the public series, for a machine without them."""
    rng = Random(seed)
    sets: dict[str, list[Market]] = {}
    shapes = (
        (CHOICE_SET, 4, 195.0, 1, 20_000, 3.06, Climate()),
        (
            DEPTH_SET,
            4,
            600.0,
            16,
            2_100,
            10.3,
            Climate(up_mean_s=5 * 3600, down_mean_s=1.5 * 3600, discount=0.8),
        ),
        ("scarce", 3, 600.0, 1, 3_000, 3.06, Climate(up_mean_s=3 * 3600, down_mean_s=3 * 3600)),
    )
    for name, pools, gap_s, instances, ticks, price, climate in shapes:
        traces = generate_region(
            tuple(f"zone-{k}" for k in range(pools)),
            climate,
            rng,
            ticks=ticks,
            gap_s=gap_s,
            instances=instances,
            on_demand_per_hour=price,
        )
        sets[name] = [
            Market(t.pool, (t.pool,), gap_s, (t.capacity > 0)[:, None], t.price_per_hour[:, None], price)
            for t in traces
        ]
    return sets
