"""The work queue: whatever happens to workers, each item is committed once, or named as a dead letter."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from scrimp.api import Commit, Lease, Unavailable
from scrimp.worker import SqliteQueue

LEASE_S = 100.0


def held(items: int, attempts: int = 5) -> SqliteQueue:
    """A queue in memory."""
    return SqliteQueue.holding(":memory:", items, attempts=attempts)


def take(queue: SqliteQueue, worker: str, now_s: float = 0.0, *, leases: int = 1, items: int = 10):
    """Leases of the usual length."""
    return queue.take(worker, now_s, leases=leases, items=items, lease_s=LEASE_S)


def test_ten_million_items_are_no_ten_million_rows(tmp_path: Path) -> None:
    """A queue is made in one row, and grows by a row a lease."""
    with SqliteQueue.holding(tmp_path / "queue.db", 10_000_000) as queue:
        first, second = take(queue, "w", leases=2, items=64)
        assert (first.first, first.stop, second.first, second.stop) == (0, 64, 64, 128)
        counts = queue.counts()
        assert (counts.items, counts.waiting, counts.leased) == (10_000_000, 10_000_000 - 128, 128)
    assert (tmp_path / "queue.db").stat().st_size < 200_000


def test_a_queue_that_holds_items_is_not_filled_again(tmp_path: Path) -> None:
    """Every worker makes sure at its start that the queue is there."""
    with SqliteQueue.holding(tmp_path / "queue.db", 100) as queue:
        queue.commit([(one, "") for one in take(queue, "w")], 1.0)
    with SqliteQueue.holding(tmp_path / "queue.db", 100) as again:
        assert (again.counts().items, again.counts().committed) == (100, 10)
        assert again.add(50) == 100
        assert again.counts().items == 150


def test_a_stale_lease_commits_nothing() -> None:
    """A worker that comes back after its items were given away is refused, before and after the other's commit."""
    queue = held(20)
    (old,) = take(queue, "w1")
    assert queue.release("w1", 10.0) == 1
    (new,) = take(queue, "w2", 10.0)
    assert (new.first, new.stop) == (old.first, old.stop)
    assert new.epoch > old.epoch
    assert queue.commit([(old, "old")], 20.0) == (Commit.REFUSED,)
    assert queue.commit([(new, "new")], 20.0) == (Commit.DONE,)
    assert queue.commit([(old, "old"), (new, "again")], 21.0) == (Commit.REFUSED, Commit.REPEATED)
    assert [one.result for one in queue.committed()] == ["new"]


def test_a_lease_that_ran_out_holds_until_it_is_anothers() -> None:
    """Clocks cost repeated work at most: without a rival the late commit is as good as any."""
    queue = held(10)
    (old,) = take(queue, "w1")
    assert queue.commit([(old, "late")], 5 * LEASE_S) == (Commit.DONE,)


def test_a_clock_that_is_ahead_takes_what_it_asks_for_and_no_more() -> None:
    """All leases have run out by its time; the rest of them hold, and are committed."""
    queue = held(40)
    mine = take(queue, "w1", leases=4)
    (stolen,) = take(queue, "w2", 1e6)
    answers = queue.commit([(one, "mine") for one in mine], 10.0)
    assert answers == (Commit.REFUSED, *[Commit.DONE] * 3)
    assert (stolen.first, stolen.stop) == (mine[0].first, mine[0].stop)


@pytest.mark.parametrize("lease_s", [0.0, -1.0, float("nan")])
def test_a_lease_without_a_length_is_none(lease_s: float) -> None:
    """One that is not a number would never run out, and its items never come back."""
    queue = held(10)
    with pytest.raises(ValueError, match="is none"):
        queue.take("w", 0.0, leases=1, items=1, lease_s=lease_s)
    lease = take(queue, "w")
    with pytest.raises(ValueError, match="is none"):
        queue.extend(lease, 0.0, lease_s=lease_s)


@pytest.mark.parametrize("items", [0, -3])
def test_nothing_cannot_be_added(items: int) -> None:
    """It would stand where the next items belong, and no more could be added ever after."""
    queue = held(10)
    with pytest.raises(ValueError, match="none to be added"):
        queue.add(items)
    assert queue.add(5) == 10
    assert queue.counts().waiting == 15


def test_what_came_back_goes_first_and_the_longest_waiting_of_it() -> None:
    """Stragglers' items must not wait behind millions of fresh ones."""
    queue = held(100)
    first, second, _ = take(queue, "w1", leases=3)
    queue.give_back([second], 1.0)
    queue.give_back([first], 2.0)
    again = take(queue, "w2", 3.0, leases=3)
    assert [one.first for one in again] == [10, 0, 30]
    assert {one.attempt for one in again} == {1}  # given back in order: nobody's fault


def test_an_extended_lease_does_not_run_out() -> None:
    """A slow worker that says so keeps its items; one that lost them hears it."""
    queue = held(10)
    (lease,) = take(queue, "slow")
    (longer,) = queue.extend([lease], 90.0, lease_s=LEASE_S)
    assert longer.until_s == 190.0
    assert take(queue, "w2", 150.0) == ()
    (mine,) = take(queue, "w2", 191.0)
    assert mine.attempt == 2
    assert queue.extend([longer], 192.0, lease_s=LEASE_S) == ()


def test_a_barred_worker_gets_nothing() -> None:
    """The end of taking work does not wait for the worker to hear of it."""
    queue = held(10)
    queue.bar("w")
    assert take(queue, "w") == ()
    queue.admit("w")
    assert len(take(queue, "w")) == 1


def test_one_bad_item_is_found_and_the_rest_worked_off() -> None:
    """A run that fails is halved: of 64 items 63 are committed and one is named, in few attempts."""
    queue, bad, tries = held(64, attempts=3), 37, 0
    while (lease := next(iter(take(queue, f"w{tries}", items=64)), None)) is not None:
        if lease.first <= bad < lease.stop:
            tries += 1
            queue.fail([lease], 1.0, why="cannot decode")
        else:
            queue.commit([(lease, "")], 1.0)
    assert tries == 3 + 6
    (letter,) = queue.dead_letters()
    assert (letter.first, letter.stop, letter.why) == (bad, bad + 1, "cannot decode")
    assert (queue.counts().committed, queue.counts().dead) == (63, 1)
    assert queue.revive(2.0) == 1
    assert (queue.counts().dead, queue.counts().waiting) == (0, 1)
    assert take(queue, "w", 3.0)[0].attempt == 1


def test_workers_that_die_of_an_item_do_not_die_of_it_for_ever() -> None:
    """Silence counts as a failure, too: the lease of a killed worker runs out."""
    queue, now_s = held(1, attempts=3), 0.0
    for _ in range(3):
        assert len(take(queue, "w", now_s)) == 1
        now_s += 2 * LEASE_S
    assert take(queue, "w", now_s) == ()
    assert queue.dead_letters()[0].why == "its lease ran out"


def test_a_file_that_is_no_queue_is_unavailable(tmp_path: Path) -> None:
    """A worker can wait and try again."""
    (tmp_path / "queue.db").write_text(
        "this is no database, and long enough to be taken for a damaged one" * 20
    )
    with pytest.raises(Unavailable):
        SqliteQueue(tmp_path / "queue.db")


class Workers(RuleBasedStateMachine):
    """Any order of calls, with stale leases used again; a model by item says what has to be true."""

    leases = Bundle("leases")
    items = 40

    def __init__(self) -> None:
        super().__init__()
        self.queue = held(self.items, attempts=3)
        self.now_s = 0.0
        self.owner: dict[int, int] = {}  # item -> epoch that may commit it
        self.done: dict[int, str] = {}
        self.barred: set[str] = set()

    @rule(seconds=st.sampled_from([1.0, 60.0, 150.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_s += seconds

    @rule(
        target=leases,
        worker=st.sampled_from(["a", "b", "c"]),
        count=st.integers(1, 3),
        items=st.integers(1, 9),
    )
    def take(self, worker: str, count: int, items: int) -> tuple[Lease, ...]:
        """Take work."""
        taken = take(self.queue, worker, self.now_s, leases=count, items=items)
        assert not (taken and worker in self.barred)
        for lease in taken:
            assert 1 <= lease.items <= items
            for item in range(lease.first, lease.stop):
                assert item not in self.done
                assert lease.epoch > self.owner.get(item, 0)
                self.owner[item] = lease.epoch
        return taken

    @rule(leases=leases, worker=st.sampled_from(["x", "y"]))
    def commit(self, leases: tuple[Lease, ...], worker: str) -> None:
        """Commit, perhaps once more or too late."""
        before = self.queue.counts()
        for lease, answer in zip(
            leases, self.queue.commit([(one, worker) for one in leases], self.now_s), strict=True
        ):
            holds = all(self.owner[item] == lease.epoch for item in range(lease.first, lease.stop))
            if answer is Commit.DONE:
                assert holds
                for item in range(lease.first, lease.stop):
                    assert item not in self.done
                    self.done[item] = worker
            elif answer is Commit.REPEATED:
                assert all(item in self.done for item in range(lease.first, lease.stop))
        assert self.queue.counts().committed >= before.committed

    @rule(leases=leases)
    def fail(self, leases: tuple[Lease, ...]) -> None:
        """Say that it failed."""
        self.queue.fail(leases, self.now_s, why="bad")

    @rule(leases=leases)
    def give_back(self, leases: tuple[Lease, ...]) -> None:
        """Leave in order."""
        self.queue.give_back(leases, self.now_s)

    @rule(leases=leases)
    def extend(self, leases: tuple[Lease, ...]) -> None:
        """Need longer."""
        for lease in self.queue.extend(leases, self.now_s, lease_s=LEASE_S):
            assert all(self.owner[item] == lease.epoch for item in range(lease.first, lease.stop))

    @rule(worker=st.sampled_from(["a", "b", "c"]))
    def lose(self, worker: str) -> None:
        """A worker is lost: its leases are taken from it, and nothing more is given to it."""
        self.queue.release(worker, self.now_s)
        self.queue.bar(worker)
        self.barred.add(worker)

    @rule(worker=st.sampled_from(["a", "b", "c"]))
    def come_back(self, worker: str) -> None:
        """Its successor of the same name."""
        self.queue.admit(worker)
        self.barred.discard(worker)

    @rule()
    def revive(self) -> None:
        """A person looks after the dead letters."""
        self.queue.revive(self.now_s)

    @invariant()
    def every_item_stands_somewhere(self) -> None:
        """The sums agree with the model, and commits do not overlap."""
        counts = self.queue.counts()
        assert counts.waiting + counts.leased + counts.committed + counts.dead == self.items
        assert min(counts.waiting, counts.leased, counts.dead) >= 0
        found = {}
        for one in self.queue.committed():
            for item in range(one.first, one.stop):
                assert item not in found
                found[item] = one.result
        assert found == self.done

    def teardown(self) -> None:
        """At the end one worker does the rest, and every item is done once."""
        now_s = self.now_s
        for _ in range(200):
            now_s += 2 * LEASE_S
            self.queue.revive(now_s)
            left = take(self.queue, "last", now_s, leases=40, items=40)
            self.queue.commit([(one, "last") for one in left], now_s)
        assert self.queue.counts().committed == self.items
        self.queue.close()


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
