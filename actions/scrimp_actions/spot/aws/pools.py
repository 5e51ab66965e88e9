"""Launches spread over tries: pools that refuse are left alone for a growing while, and each try has a token of its own.

What each try asks for is written down before it is asked, so that a try after a lost answer asks for the very same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scrimp.api import Money, Unavailable
from scrimp_actions.keys import KeyStore
from scrimp_actions.spot.cloud import Cloud, Instance, LaunchError, LaunchRequest, Purchase
from scrimp_actions.spot.pools import CoolDown, CoolDowns

TRIES = 3


@dataclass(frozen=True, slots=True)
class PoolMemory:
    """The cool-downs of pools, on disk."""

    path: Path

    def read(self) -> CoolDowns:
        """The cool-downs; none where the file is not there or damaged, for they are only advice."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
            return CoolDowns(pools=tuple(CoolDown(**one) for one in found))
        except (OSError, ValueError, TypeError):
            return CoolDowns()

    def strike(self, errors: Iterable[LaunchError], now_s: float) -> None:
        """Leave the pools alone that had nothing to give."""
        before = cool = self.read()
        for one in errors:
            if one.capacity:
                cool = cool.strike(one.pool, now_s)
        if cool == before:
            return
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps([asdict(one) for one in cool.pools]), "utf-8")
            part.replace(self.path)
        except OSError as error:
            raise Unavailable(f"cannot note which pools are out: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be launched. `fallback`: whether the last try may buy on demand what spot had no capacity for."""

    count: int
    pools: tuple[str, ...]
    purchase: Purchase
    template: str
    group_tags: tuple[tuple[str, str], ...]
    max_price: Money | None = None
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Launcher:
    """Launches under the key of an intent."""

    cloud: Cloud
    keys: KeyStore
    memory: PoolMemory
    now: Callable[[], float]

    def launch(self, key: str, wish: Wish, *, deadline_s: float) -> tuple[list[Instance], list[LaunchError]]:
        """As many as can be had, in a few tries; again under the same key, the same ones. None at all is no error."""
        made: list[Instance] = []
        errors: list[LaunchError] = []
        for attempt in range(1, TRIES + 1):
            request = self._request(f"{key}#{attempt}", wish, wish.count - len(made), last=attempt == TRIES)
            if request is None:
                break
            launched = self.cloud.launch(request, deadline_s=deadline_s / TRIES)
            self.memory.strike(launched.errors, self.now())
            made += launched.instances
            errors += launched.errors
            if len(made) >= wish.count:
                break
        return made, errors

    def _request(self, token: str, wish: Wish, count: int, *, last: bool) -> LaunchRequest | None:
        """This try's request, as it was written down the first time; None where no pool is left to ask."""
        on_demand = wish.purchase is Purchase.ON_DEMAND or (last and wish.fallback)
        cool, now_s = self.memory.read(), self.now()
        ready = [pool for pool in wish.pools if not cool.out(pool, now_s)]
        pools = list(wish.pools) if on_demand and not ready else ready
        note = self.keys.begun(token)
        if note is None:
            if not pools:
                return None
            purchase = Purchase.ON_DEMAND if on_demand else Purchase.SPOT
            note = self.keys.begin(token, {"count": count, "pools": pools, "purchase": purchase.value})
        purchase = Purchase(note["purchase"])
        request = LaunchRequest(
            token,
            tuple(note["pools"]),
            int(note["count"]),
            purchase,
            dict(wish.group_tags),
            template=wish.template,
        )
        return replace(request, max_price=wish.max_price) if purchase is Purchase.SPOT else request


def causes(errors: Sequence[LaunchError]) -> str:
    """Why pools gave nothing, for people."""
    return (
        ", ".join(dict.fromkeys(f"{one.pool}: {one.code}" for one in errors)) or "all pools are cooling down"
    )
