"""The state folder on a real disk: chain, rotation, repair, two processes, replay."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.execute.acts import AT_S, intent

from scrimp.model.ledger import Approval, HoldKey, Holds
from scrimp.model.plan import Ended
from scrimp.store import (
    Entry,
    LedgerUnusable,
    NotAwaiting,
    StoreBusy,
    StoreError,
    StoreSettings,
    StoreTooNew,
    open_store,
    read_records,
    replay,
    visit_store,
)


def clock() -> float:
    return AT_S


def files(state: Path) -> list[Path]:
    return sorted((state / "audit").glob("*.jsonl"))


def filled(state: Path, count: int = 6, rotate_bytes: int = 10_000_000) -> None:
    """A state folder with `count` records and no engine."""
    with open_store(state, clock, StoreSettings(rotate_bytes=rotate_bytes)) as store:
        for number in range(count):
            store.record([Entry("alert", values={"number": number})])


def test_a_second_engine_is_told_that_the_folder_is_taken(tmp_path: Path) -> None:
    """Two engines on one ledger would act twice."""
    with open_store(tmp_path, clock), pytest.raises(StoreBusy):
        open_store(tmp_path, clock)
    open_store(tmp_path, clock).close()


def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    open_store(tmp_path, clock).close()
    import sqlite3  # noqa: PLC0415 - only here is the file opened past the store

    with sqlite3.connect(tmp_path / "scrimp.db") as link:
        link.execute("PRAGMA user_version=99")
    with pytest.raises(StoreTooNew):
        open_store(tmp_path, clock)


@pytest.mark.parametrize(
    ("harm", "seq"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b'"number":2', b'"number":7'), *lines[3:]], 3),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [*lines[:1], lines[2], lines[1], *lines[3:]], 2),
        (lambda lines: lines[:4], 5),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:1], b"nonsense\n", *lines[2:]], 2),
        (lambda lines: [], 1),
    ],
    ids=["changed", "deleted", "inserted", "reordered", "cut_off", "beheaded", "garbage", "emptied"],
)
def test_verify_names_the_first_bad_record(
    tmp_path: Path, harm: Callable[[list[bytes]], list[bytes]], seq: int
) -> None:
    """An audit log that can be edited unnoticed proves nothing."""
    filled(tmp_path)
    path = files(tmp_path)[0]
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))
    with visit_store(tmp_path, clock) as visit:
        bad = visit.verify().bad
    assert bad is not None
    assert bad.seq == seq


def test_the_chain_goes_on_over_rotation(tmp_path: Path) -> None:
    filled(tmp_path, 20, rotate_bytes=1500)
    assert len(files(tmp_path)) > 3
    with visit_store(tmp_path, clock) as visit:
        found = visit.verify()
        assert (found.records, found.bad) == (20, None)
        assert [one["seq"] for one in read_records(visit.log)] == list(range(1, 21))
        assert not list(read_records(visit.log, since="2099"))


def test_a_torn_last_line_is_kept_aside(tmp_path: Path) -> None:
    """A power cut in the middle of a write must not stop the next start, nor lose what was there."""
    filled(tmp_path)
    with files(tmp_path)[0].open("ab") as file:
        file.write(b'{"seq":7,"at":"20')
    filled(tmp_path, 1)
    assert [path.read_bytes() for path in (tmp_path / "audit").glob("*.torn")] == [b'{"seq":7,"at":"20']
    with visit_store(tmp_path, clock) as visit:
        assert visit.verify().records == 7


def test_commands_work_beside_the_engine(tmp_path: Path) -> None:
    """The kill switch must not wait for the engine to stop."""
    request = Approval("abc", "shrink", "node_group/a", AT_S, AT_S + 60)
    with open_store(tmp_path, clock) as store, visit_store(tmp_path, clock) as visit:
        store.record_requests({"abc": request})
        assert visit.answer_approval("abc", granted=True, actor="ann").granted
        with pytest.raises(NotAwaiting):
            visit.answer_approval("abc", granted=False, actor="bob")
        visit.pause("ann", "freeze")
        store.record([Entry("alert", values={"message": "after"})])
        ledger = store.load_ledger()
        assert ledger.approvals["abc"].actor == "ann"
        assert ledger.pause is not None
        assert ledger.pause.reason == "freeze"
        visit.resume("ann")
        assert store.load_ledger().pause is None
        assert store.verify().bad is None


def test_secrets_do_not_enter_the_log(tmp_path: Path) -> None:
    values = {
        "api_token": "s3cr3t",
        "nested": [{"Authorization": "s3cr3t"}],
        "url": "https://me:s3cr3t@host/x?secret=s3cr3t",
        "header": "Bearer s3cr3t",
        "tokens_per_second": 8.0,
    }
    with open_store(tmp_path, clock) as store:
        store.record([Entry("alert", values=values)])
    text = files(tmp_path)[0].read_text()
    assert "s3cr3t" not in text
    assert json.loads(text)["values"]["tokens_per_second"] == 8.0


def test_clocks_come_back(tmp_path: Path) -> None:
    """A restart must not make a policy wait again; a row without a running clock need not be kept."""
    key = HoldKey("p", "when", "x")
    nan = float("nan")
    holds = {key: Holds(("a", "b", "c"), np.array([5.0, nan, 0.0]), np.array([nan, nan, 2.0]), AT_S)}
    with open_store(tmp_path, clock) as store:
        store.save_holds(holds)
        store.save_holds({key: replace(holds[key], last_s=AT_S + 60)})
        found = store.load_ledger().holds[key]
        assert found.names == ("a", "c")
        assert found.last_s == AT_S + 60
        np.testing.assert_array_equal(found.true_s, [5.0, 0.0])
        np.testing.assert_array_equal(found.unknown_s, [nan, 2.0])
        store.save_holds({})
        assert not store.load_ledger().holds


def test_shadow_acts_stay_out_of_the_log(tmp_path: Path) -> None:
    """A dry run consumes nothing real, yet remembers what it would have done."""
    with open_store(tmp_path, clock) as store:
        store.record_shadows([intent("k", shadow=True)])
        assert [one.outcome for one in store.load_ledger().intents] == ["done"]
        assert ("shrink", "node_group/a", True) in store.load_ledger().episodes
        store.end_episode(Ended("shrink", "node_group/a", shadow=True, writes=None))
        assert not store.load_ledger().episodes
    assert not files(tmp_path)


def test_old_outcomes_are_forgotten_and_doubts_are_not(tmp_path: Path) -> None:
    old = AT_S - 40 * 86400
    with open_store(tmp_path, clock) as store:
        for key, outcome in (("done", "done"), ("ask", "ask"), ("doubt", None)):
            store.record_intent(one := intent(key, at_s=old), {})
            if outcome is not None:
                store.record_outcome(one, outcome, "", {})
        store.prune()
        assert [one.key for one in store.load_ledger().intents] == ["ask", "doubt"]
        store.settle("ask", "failed", "ann", "looked")
        with pytest.raises(NotAwaiting):
            store.settle("ask", "done", "ann", "again")


def test_a_ledger_that_another_program_holds_is_told_so(tmp_path: Path) -> None:
    """A backup, or a person with a database shell: `database is locked` alone says nothing to anybody."""
    import sqlite3  # noqa: PLC0415 - as above

    open_store(tmp_path, clock).close()
    link = sqlite3.connect(tmp_path / "scrimp.db", isolation_level=None)
    link.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(LedgerUnusable, match=r"another program holds the ledger `scrimp\.db` locked"),
        open_store(tmp_path, clock, StoreSettings(wait_s=0.05)) as store,
    ):
        store.record([Entry("alert")])
    link.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from scrimp.store import LogUnwritable, Entry, open_store
state = Path(sys.argv[1])
store = open_store(state, lambda: 0.0)
store.record([Entry("alert", values={"text": "x" * 900})])
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
try:
    store.record([Entry("alert", values={"text": "y" * 900})])
except LogUnwritable as error:
    print(error.code, len(next(state.glob("audit/*.jsonl")).read_bytes().splitlines()))
"""


def test_an_unwritable_log_is_a_typed_error_and_leaves_nothing(tmp_path: Path) -> None:
    """No audit, no act."""
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == "SCR801 1\n", ran.stderr
    with visit_store(tmp_path, clock) as visit:
        assert visit.verify().records == 1


def test_two_processes_append_to_one_chain(tmp_path: Path) -> None:
    """A command's record and the engine's must not take each other's place."""
    open_store(tmp_path, clock).close()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            with visit_store(tmp_path, clock) as visit:
                for _ in range(10):
                    visit.pause("x", "")
            os.kill(os.getpid(), signal.SIGKILL)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    with visit_store(tmp_path, clock) as visit:
        assert (visit.verify().records, visit.verify().bad) == (30, None)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["intent", "undo", "done", "failed", "request", "answer", "pause", "resume", "end", "reopen"]
        ),
        st.integers(0, 2),
    ),
    max_size=15,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_the_log_replays_to_the_same_ledger(steps: list[tuple[str, int]]) -> None:
    """Whatever happened, and wherever the engine restarted: the log alone gives the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        store = open_store(state, clock)
        for number, (step, which) in enumerate(steps):
            target = f"node_group/{which}"
            open_intents = [one for one in store.load_ledger().intents if one.outcome is None]
            match step:
                case "intent" | "undo":
                    store.record_intent(
                        intent(
                            f"k{number}", target, AT_S + number, undo=step == "undo", decision=f"d{which}"
                        ),
                        {},
                    )
                case "done" | "failed" if open_intents:
                    store.record_outcome(open_intents[0], step, "", {})
                case "request":
                    store.record_requests(
                        {f"d{which}": Approval(f"d{which}", "shrink", target, AT_S, AT_S + 9)}
                    )
                case "answer" if f"d{which}" in store.load_ledger().approvals:
                    if store.load_ledger().approvals[f"d{which}"].granted is None:
                        store.answer_approval(f"d{which}", granted=which > 0, actor="ann")
                case "pause":
                    store.pause("ann", "why")
                case "resume":
                    store.resume("ann")
                case "end":
                    store.end_episode(Ended("shrink", target, shadow=False, writes="capacity"))
                case "reopen":
                    store.close()
                    (state / "scrimp.db").rename(state / "lost.db")  # the ledger is lost, the log is not
                    for side in state.glob("scrimp.db-*"):
                        side.unlink()
                    store = open_store(state, clock)
        with store:
            assert replay(read_records(store.log)) == store.load_ledger()
            assert store.verify().bad is None


def as_reader(state: Path, look: Callable[[], None]) -> int:
    """The exit code of a process that may read the folder and write nothing: 0 if `look` raises nothing."""
    for path in (state, *state.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            look()
        except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("engine_runs", [False, True])
def test_who_may_only_read_reads_the_newest(engine_runs: bool) -> None:
    """An auditor has no business to be able to change what he audits; beside an engine SQLite has a log of its own."""
    with tempfile.TemporaryDirectory() as name:
        state = Path(name) / "state"
        Path(name).chmod(0o755)

        def look() -> None:
            with visit_store(state, clock) as visit:
                assert visit.load_ledger().pause is not None
                assert visit.verify().records == len(list(read_records(visit.log))) == 7
                with pytest.raises(StoreError):
                    visit.resume("eve")

        with open_store(state, clock) as store:
            for number in range(6):
                store.record([Entry("alert", values={"number": number})])
            store.pause("ann", "")
            if engine_runs:
                assert as_reader(state, look) == 0
        if not engine_runs:
            assert as_reader(state, look) == 0
        for path in (state, *state.rglob("*")):
            path.chmod(0o755)
