"""The notices of the board as fields of nodes."""

from collections.abc import Sequence

from scrimp.api import KindBatch, Value
from scrimp.aws import Board, NoticeKind

NOTICE_FIELDS = ("interruption_notice", "time_to_interruption", "rebalance_recommended")
HEARD_WITHIN_S = 120.0  # a queue that has been silent for longer tells nothing, neither yes nor no


def notice_batch(board: Board, now_s: float, instances: Sequence[str] = ()) -> KindBatch:
    """Rows of `node`: those with a notice, and of `instances` those without, as long as notices are heard at all."""
    taken = {one.instance: one for one in board.notices if one.kind is NoticeKind.INTERRUPTION}
    at_risk = {one.instance for one in board.notices if one.kind is NoticeKind.REBALANCE}
    gone = {one.instance: one.action_at_s for one in board.notices if one.kind is NoticeKind.GONE}
    noticed = [one for one in (*taken, *at_risk) if one not in gone]
    heard = board.heard_at_s is not None and now_s - board.heard_at_s <= HEARD_WITHIN_S
    names = list(dict.fromkeys([*noticed, *instances]))
    otherwise: Value = False if heard else None
    fields: dict[str, Sequence[Value]] = {
        "interruption_notice": [True if one in taken else otherwise for one in names],
        "time_to_interruption": [taken[one].action_at_s - now_s if one in taken else None for one in names],
        "rebalance_recommended": [True if one in at_risk else otherwise for one in names],
    }
    return KindBatch("node", names, fields, None, now_s)
