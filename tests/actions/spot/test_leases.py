"""Leases: an item is committed under the lease that holds it, once, or not at all."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.spot.leases import MemoryQueue


def test_a_stale_lease_commits_nothing() -> None:
    """A worker that comes back after its items were given away is refused."""
    queue = MemoryQueue()
    old = queue.take("w1", 2, 0.0, 100.0)
    queue.give_back("w1", 10.0)
    new = queue.take("w2", 2, 10.0, 100.0)
    assert queue.commit(old, 20.0) == 0
    assert queue.commit(new, 20.0) == 2
    assert queue.commit(new, 21.0) == 0
    assert queue.commits == [1, 1]


def test_an_expired_lease_is_handed_out_again() -> None:
    """A worker that died in silence gives its items back by the clock."""
    queue = MemoryQueue()
    old = queue.take("w1", 1, 0.0, 100.0)
    queue.close()
    assert queue.take("w2", 1, 50.0, 100.0) == ()
    (new,) = queue.take("w2", 1, 150.0, 100.0)
    assert new.epoch == old[0].epoch + 1
    assert queue.commit(old, 151.0) == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens_every_item_is_committed_once(seed: int) -> None:
    """Random takes, commits of old and new leases, give-backs and expiry; then one worker finishes."""
    rng, queue, out, now_s = Random(seed), MemoryQueue(), [], 0.0
    for _ in range(60):
        now_s += rng.choice((0.0, 5.0, 150.0))
        worker = f"w{rng.randrange(4)}"
        match rng.randrange(3):
            case 0:
                out.append(queue.take(worker, rng.randrange(1, 4), now_s, 100.0))
            case 1 if out:
                queue.commit(rng.choice(out), now_s)
            case _:
                queue.give_back(worker, now_s)
    queue.close()
    for _ in range(200):
        now_s += 200.0
        queue.commit(queue.take("last", 5, now_s, 100.0), now_s + 1.0)
    assert queue.outstanding == 0
    assert set(queue.commits) <= {1}
