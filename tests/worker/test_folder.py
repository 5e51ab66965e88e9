"""The folder channel: what is torn is never believed, and one of two writers wins."""

import subprocess
import sys
from pathlib import Path

import pytest

from scrimp.api import Control, Unavailable
from scrimp.worker import FolderChannel

WRITER = """
import sys
from pathlib import Path
from scrimp.api import Control
from scrimp.worker import FolderChannel
channel, won = FolderChannel(Path(sys.argv[1])), 0
while won < 25:
    seen = channel.control("g/j")
    won += channel.write_control("g/j", Control(batch_size=seen.batch_size + 1), expected_revision=seen.revision)
"""


def test_no_change_is_lost_between_processes(tmp_path: Path) -> None:
    """Two processes that each add 25 times come to 50, or compare-and-set is a word only."""
    channel = FolderChannel(tmp_path)
    channel.found("g/j", over=Control(batch_size=1, revision=4))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) for _ in range(2)]
    try:
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert channel.control("g/j").batch_size == 51
    assert channel.control("g/j").revision == 55


def test_a_job_that_never_joined_does_not_take_part(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path / "absent")
    assert channel.jobs() == ()
    assert channel.control("g/j") is None
    assert channel.report("g/j") is None
    assert not channel.write_control("g/j", Control(), expected_revision=0)


def test_an_old_revision_writes_nothing(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    channel.found("g/j")
    assert channel.write_control("g/j", Control(batch_size=2), expected_revision=0)
    assert not channel.write_control("g/j", Control(batch_size=3), expected_revision=0)
    assert channel.control("g/j").batch_size == 2
    assert channel.jobs() == ("g/j",)


def test_a_damaged_control_is_an_error_and_a_damaged_report_is_none(tmp_path: Path) -> None:
    """Not taking part and not being readable are two things: one refuses, the other is worth another try."""
    channel = FolderChannel(tmp_path)
    channel.found("g/j")
    (tmp_path / "g/j/control.json").write_text("{")
    (tmp_path / "g/j/report.json").write_text('{"scrimp": "report/1", "at_s": NaN}')
    with pytest.raises(Unavailable, match="control document of g/j"):
        channel.control("g/j")
    assert channel.report("g/j") is None


@pytest.mark.parametrize("name", ["", "g", "../x", "g/..", "g/a/b", "g/\x00", ".g/j"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"name|form"):
        FolderChannel(tmp_path).control(name)
