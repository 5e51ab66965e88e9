"""A watched folder: real files, a real watcher, time as an argument."""

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.reload.test_load import good

from scrimp.plugins import load_catalogue
from scrimp.reload import PolicyFolder, Rejected, Reloaded, load_policies

CATALOGUE = load_catalogue()
WAIT_S = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[PolicyFolder]:
    root = tmp_path / "policies"
    root.mkdir()
    (root / "one.scrimp").write_text(good("one"))
    with PolicyFolder([root], partial(load_policies, [root], CATALOGUE), settle_s=1.0) as found:
        yield found


def loaded(folder: PolicyFolder) -> str:
    assert isinstance(folder.reload(), Reloaded)
    assert folder.current is not None
    return folder.current.digest


def test_a_change_is_loaded_once_it_is_quiet_and_told_by_policy(folder: PolicyFolder) -> None:
    """The watcher itself is under test: the only wait is for its event."""
    loaded(folder)
    woken = threading.Event()
    folder.watch(woken.set)
    (folder.paths[0] / "two.scrimp").write_text(good("two"))
    (folder.paths[0] / "one.scrimp").write_text(good("one", "30%"))
    assert woken.wait(WAIT_S)
    folder.close()
    assert folder.poll(100.0) is None
    assert folder.pending
    found = folder.poll(101.0)
    assert isinstance(found, Reloaded)
    assert (found.changes.added, found.changes.changed, found.changes.removed) == (("two",), ("one",), ())
    assert folder.current is found.policy_set
    assert not folder.pending


def test_a_change_is_found_without_any_event(folder: PolicyFolder) -> None:
    """A change before the watch began, or on a file system that tells nothing."""
    loaded(folder)
    assert (folder.poll(100.0), folder.poll(101.0)) == (None, None)
    (folder.paths[0] / "two.scrimp").write_text(good("two"))
    assert [folder.poll(at_s) for at_s in (102.0, 159.0)] == [None, None]
    assert folder.poll(160.0) is None
    assert isinstance(folder.poll(161.0), Reloaded)


def test_a_bad_file_leaves_the_last_good_set(folder: PolicyFolder) -> None:
    """A typo must not switch off what guards the fleet."""
    digest = loaded(folder)
    (folder.paths[0] / "one.scrimp").write_text("scrimp 1\n\npolicy one {\n")
    found = folder.reload()
    assert isinstance(found, Rejected)
    assert found.diagnostics[0].code.startswith("SCR1")
    assert folder.current is not None
    assert folder.current.digest == digest
    assert folder.reload() is None  # told once


def test_a_folder_that_vanishes_leaves_the_last_good_set(folder: PolicyFolder) -> None:
    digest = loaded(folder)
    (folder.paths[0] / "one.scrimp").unlink()
    assert isinstance(folder.reload(), Rejected)
    assert folder.current is not None
    assert folder.current.digest == digest


def test_touching_a_file_is_no_news(folder: PolicyFolder) -> None:
    loaded(folder)
    (folder.paths[0] / "one.scrimp").touch()
    assert folder.reload() is None


def test_the_commit_is_told_and_whether_files_differ_from_it(folder: PolicyFolder) -> None:
    def git(*arguments: str) -> str:
        given = ["git", "-C", str(folder.paths[0]), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(given, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    loaded(folder)
    assert folder.commit is not None
    assert (folder.commit.id, folder.commit.dirty) == (git("rev-parse", "HEAD"), False)
    (folder.paths[0] / "two.scrimp").write_text(good("two"))
    found = folder.reload()
    assert isinstance(found, Reloaded)
    assert found.commit is not None
    assert found.commit.dirty


def test_a_clock_that_is_set_back_does_not_put_a_reload_off(folder: PolicyFolder) -> None:
    """An hour of daylight saving, badly done, must not be an hour with the old policies."""
    loaded(folder)
    folder.poll(10_000.0)
    (folder.paths[0] / "two.scrimp").write_text(good("two"))
    assert isinstance(folder.poll(6_400.0), Reloaded)


def test_files_that_are_never_quiet_are_loaded_all_the_same(folder: PolicyFolder) -> None:
    """Somebody writes a log file beside the policies, twice a second."""
    loaded(folder)
    (folder.paths[0] / "two.scrimp").write_text(good("two"))
    found = []
    for tick in range(30):
        folder._touched.set()
        found.append(folder.poll(100.0 + tick / 2))
    assert sum(isinstance(one, Reloaded) for one in found) == 1


def test_the_lines_that_changed_are_told_and_cut_off_where_they_are_many(folder: PolicyFolder) -> None:
    loaded(folder)
    (folder.paths[0] / "one.scrimp").write_text(good("one", "30%"))
    (folder.paths[0] / "two.scrimp").write_text(good("two") + "# more\n" * 1000)
    found = folder.reload()
    assert isinstance(found, Reloaded)
    assert "-  when gpu_utilization < 20%" in found.diff
    assert "+  when gpu_utilization < 30%" in found.diff
    assert len(found.diff) == 401
    assert found.diff[-1].endswith("more lines")
