"""What the demo of this machine comes to, in sentences: each act against what was before it, as measured."""

from collections import Counter
from dataclasses import dataclass

from scrimp.api import Money
from scrimp.cli._demo_figures import Figures, clips_per_money, mean
from scrimp.cli._demo_stage import CRITICAL, FIRST_BATCH, SIZE, WAITING

RUSH, QUIET = "rush", "quiet"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, and what it says was saved, in money: 0 where the gain is none of money."""

    text: str
    saved: float = 0.0


def measured(figures: Figures, price: Money) -> list[str]:
    """What the acts came to. `price` is money per core and hour."""
    acted = Counter(act.action for act in figures.acts)
    done = ", ".join(f"{count} {name}" for name, count in sorted(acted.items()))
    found = [
        one
        for one in (
            _relief(figures),
            _still_paused(figures),
            _smaller_batches(figures, price),
            _fewer_members(figures, price),
        )
        if one is not None
    ]
    saved = sum(one.saved for one in found)
    return [
        f"done by policies: {done or 'nothing'}",
        *(one.text for one in found),
        f"spent on cores used: {figures.spent():.5f} {price.currency}; saved: {saved:.5f} {price.currency}",
    ]


def _relief(figures: Figures) -> Finding | None:
    """The critical workers in the rush, before and after the others were paused."""
    paused_s = figures.did("pause_non_critical")
    rush = [one for one in figures.moments if one.phase == RUSH]
    if paused_s is None or not rush:
        return None
    before = mean(one.clips_per_s(CRITICAL) for one in rush if one.at_s <= paused_s)
    after = mean(one.clips_per_s(CRITICAL) for one in figures.settled(paused_s, rush[-1].at_s))
    if not before or not after:
        return None
    return Finding(
        f"critical workers in the rush: {before:.0f} clips/s, with a job paused {after:.0f} "
        f"({after / before:.2f} times)"
    )


def _still_paused(figures: Figures) -> Finding | None:
    """Why nothing was resumed, where the rush was over and other work kept the machine busy."""
    busy = mean(one.cpu for one in figures.moments if one.phase == QUIET)
    if figures.did("pause_non_critical") is None or figures.did("resume_paused") is not None or busy is None:
        return None
    return Finding(
        f"other work kept the machine {busy:.0%} busy after the rush: what was paused stays paused"
    )


def _smaller_batches(figures: Figures, price: Money) -> Finding | None:
    """What 1,000 clips cost at the first batch size and at the last, both in a rush, when batches are full."""
    first = float(FIRST_BATCH[WAITING])
    rush = [one for one in figures.moments if one.phase != QUIET]
    sizes = {job.batch_size for one in rush for job in one.jobs if job.group == WAITING and job.batch_size}
    rates = {size: clips_per_money(rush, WAITING, size) for size in sizes}
    known = {size: rate for size, rate in rates.items() if rate}
    if first not in known or len(known) < 2:
        return None
    last = min(known)
    before, after = 1000.0 / known[first], 1000.0 / known[last]
    clips = figures.clips(WAITING, {size for size in known if size != first})
    return Finding(
        f"batches of {last:.0f}, not {first:.0f}: 1,000 clips for {after:.5f} {price.currency}, not {before:.5f} "
        f"({1 - after / before:.0%} less)",
        clips / 1000.0 * (before - after),
    )


def _fewer_members(figures: Figures, price: Money) -> Finding | None:
    """What the critical group kept reserved while it idled, against what it would have without the policy."""
    down_s, up_s = figures.did("scale_down"), figures.did("scale_up")
    if down_s is None:
        return None
    end_s = up_s if up_s is not None else figures.moments[-1].at_s
    quiet = [one for one in figures.moments if one.phase == QUIET]
    before = mean(one.clips_per_s(CRITICAL) for one in quiet if down_s - 6.0 <= one.at_s <= down_s)
    after = mean(one.clips_per_s(CRITICAL) for one in figures.settled(down_s, quiet[-1].at_s))
    between = Figures([one for one in figures.moments if down_s <= one.at_s <= end_s])
    saved = SIZE * price.amount * (end_s - down_s) / 3600.0 - between.reserved(CRITICAL)
    kept = "" if before is None or after is None else f" ({before:.0f} clips/s before, {after:.0f} after)"
    return Finding(f"{CRITICAL} on fewer members for {end_s - down_s:.0f} s{kept}", saved)
