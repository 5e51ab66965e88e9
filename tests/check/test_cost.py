"""What clauses cost: each distinct series once, each window by its samples."""

from tests.checking import check_texts

from scrimp.check import ClauseCost, clause_costs

TEXT = """\
scrimp 1
policy shrink {
  "Make it smaller."
  owner "platform"
  target node_group where labels.tier == "batch" and labels.tier != "x"
  when avg(gpu_utilization) over 15m < 15% and p95(gpu_utilization) over 15m < 20% and queue_depth == 0
       and max(avg(job.latency) over 90s where job.group == node_group.name) < 1s
  do scale_down(to = max(2, size / 2))
}
"""


def test_costs_of_clauses():
    """Two functions of one window read its samples once; a part of an interval counts as one sample."""
    checked, _ = check_texts([TEXT])
    assert checked is not None
    assert clause_costs(checked.policies[0], 60.0) == (
        ClauseCost("shrink", "target", 1, 1),
        ClauseCost(
            "shrink", "when", 5, 15 + 1 + 2 + 1 + 1
        ),  # gpu_utilization, queue_depth, latency, group, name
        ClauseCost("shrink", "do", 1, 1),
    )
