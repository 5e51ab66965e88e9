"""`history/files.py`: whole files or none, and no row twice."""

import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scrimp.history import Folder, HistoryError, Part, compact
from scrimp.history.files import day_start_s

DAY = date(2026, 11, 25)
PART = Part("samples", "node", DAY)
LATER_S = day_start_s(DAY) + 2 * 86400


def rows(folder: Folder) -> list[int]:
    return sorted(n for path in folder.files("samples") for n in pq.read_table(path)["n"].to_pylist())


def written(root: Path, files: int) -> Folder:
    folder = Folder(root)
    folder.open()
    for n in range(files):
        folder.write(PART, pa.table({"n": [n]}))
    return folder


def test_a_day_that_is_over_becomes_one_file(tmp_path: Path) -> None:
    folder = written(tmp_path, 7)
    compact(folder, LATER_S)
    assert rows(folder) == list(range(7))
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_files_that_a_merged_one_stands_for_are_not_read(tmp_path: Path) -> None:
    """As a crash between the merge and the deletion leaves them."""
    folder = written(tmp_path, 3)
    before = {path: path.read_bytes() for path in folder.files("samples")}
    compact(folder, LATER_S)
    for path, data in before.items():
        path.write_bytes(data)
    assert rows(folder) == [0, 1, 2]
    assert folder.sweep() == 3
    assert rows(folder) == [0, 1, 2]


def test_a_late_row_after_the_merge_is_read_and_merged_too(tmp_path: Path) -> None:
    folder = written(tmp_path, 3)
    compact(folder, LATER_S)
    folder.write(PART, pa.table({"n": [99]}))
    assert rows(folder) == [0, 1, 2, 99]
    compact(folder, LATER_S)
    assert rows(folder) == [0, 1, 2, 99]
    assert len(folder.files("samples")) == 1


def test_nothing_is_deleted_under_a_reader(tmp_path: Path) -> None:
    folder = written(tmp_path, 3)
    with folder.reading():
        held = folder.files("samples")
        compact(folder, LATER_S)
        assert all(path.exists() for path in held)
    assert rows(folder) == [0, 1, 2]


def test_what_a_dead_writer_left_is_swept_and_a_living_one_is_let_be(tmp_path: Path) -> None:
    folder = written(tmp_path, 1)
    place = tmp_path / PART.path
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = place / f".20261125T000000-{ended.pid}-0.parquet.tmp"
    living = place / f".20261125T000000-{os.getpid()}-0.parquet.tmp"
    dead.write_bytes(b"PAR1 torn")
    living.write_bytes(b"PAR1")
    assert folder.sweep() == 1
    assert (dead.exists(), living.exists()) == (False, True)
    assert rows(folder) == [0]


def test_a_newer_form_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(json.dumps({"scrimp": "history/9"}))
    with pytest.raises(HistoryError) as caught:
        Folder(tmp_path).open()
    assert caught.value.code == "SCR803"


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from scrimp.history import Folder, Part, compact
from tests.history.test_files import DAY, LATER_S, PART
folder = Folder(Path(sys.argv[1]))
folder.open()
for n in range(1_000_000):
    folder.write(PART, pa.table({"n": [n]}))
    print(n, flush=True)
    if n % 20 == 19:
        compact(folder, LATER_S)
"""


@pytest.mark.parametrize("after", [1, 19, 40, 59])
def test_kill_9_loses_nothing_that_was_written_and_tears_no_file(tmp_path: Path, after: int) -> None:
    """Whatever the writer was at, merges included: each row that it told of is there, once."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        told = -1
        while told < after:
            told = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout.read().split() if line.isdigit())])
    folder = Folder(tmp_path)
    found = rows(folder)
    assert found == list(range(len(found)))
    assert len(found) in (told + 1, told + 2)
    folder.sweep()
    assert rows(folder) == found
