"""The notices of the board as fields of nodes."""

from collections.abc import Sequence

from scrimp.api import KindBatch, Value
from scrimp.aws import LEAD_S, Board, NoticeKind

NOTICE_FIELDS = ("interruption_notice", "time_to_interruption", "rebalance_recommended")
HEARD_WITHIN_S = 120.0  # a queue that has been silent for longer tells nothing, neither yes nor no
OVER_S = 120.0  # an instance that was to be taken so long ago is no node, unless it is still listed as one


def notice_batch(
    board: Board, now_s: float, instances: Sequence[str] = (), kept: Sequence[str] = ()
) -> KindBatch:
    """Rows of `node`: those with a notice, and of `instances` those without, as long as notices are heard at all.

    What is `kept`, as on demand, is not taken, and known not to be: else it would make each count of its group unknown.
    A notice that came late, or whose end nobody told, makes no row: nothing else would be known of it, and a `count` over
    nodes would be unknown for it.
    """
    gone = _latest_s(board, NoticeKind.GONE)
    taken = {
        one: at_s
        for one, at_s in _latest_s(board, NoticeKind.INTERRUPTION).items()
        if _stands(at_s - LEAD_S, gone.get(one))
    }
    at_risk = {
        one: at_s
        for one, at_s in _latest_s(board, NoticeKind.REBALANCE).items()
        if _stands(at_s, gone.get(one))
    }
    near = [one for one, at_s in taken.items() if now_s - at_s <= OVER_S]
    noticed = [*near, *(one for one in at_risk if one not in taken)]
    heard = board.heard_at_s is not None and now_s - board.heard_at_s <= HEARD_WITHIN_S
    names = list(dict.fromkeys([*noticed, *instances, *kept]))
    safe, silent = frozenset(kept), False if heard else None
    otherwise: dict[str, Value] = {one: False if one in safe else silent for one in names}
    fields: dict[str, Sequence[Value]] = {
        "interruption_notice": [True if one in taken else otherwise[one] for one in names],
        "time_to_interruption": [taken[one] - now_s if one in taken else None for one in names],
        "rebalance_recommended": [True if one in at_risk else otherwise[one] for one in names],
    }
    return KindBatch("node", names, fields, None, now_s)


def _latest_s(board: Board, kind: NoticeKind) -> dict[str, float]:
    """The last time that notices of a kind name for each instance; one that stopped and runs again has several."""
    found: dict[str, float] = {}
    for one in board.notices:
        if one.kind is kind:
            found[one.instance] = max(one.action_at_s, found.get(one.instance, one.action_at_s))
    return found


def _stands(said_s: float, gone_s: float | None) -> bool:
    """Whether what was said then still holds: an instance that is gone since is no node, one that was gone before runs again."""
    return gone_s is None or said_s > gone_s
