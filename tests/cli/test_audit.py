"""`scrimp audit`."""

import json
from pathlib import Path

import pytest
from tests.cli.command import Shell


@pytest.fixture
def logged(scrimp: Shell, folder: Path) -> Path:
    """A log of three records."""
    for command in ("pause", "resume", "pause"):
        assert scrimp(command, "--actor", "dana").code == 0
    return folder


@pytest.mark.usefixtures("logged")
def test_list_shows_the_newest(scrimp: Shell) -> None:
    ran = scrimp("audit", "list", "--last", "2")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["2", "3"]
    found = json.loads(scrimp("audit", "list", "--event", "pause", "--output", "json").out)
    assert [record["seq"] for record in found["records"]] == [1, 2, 3]
    assert scrimp("audit", "list", "--policy", "other").out == ""


@pytest.mark.usefixtures("logged")
def test_show_gives_one_record(scrimp: Shell) -> None:
    assert json.loads(scrimp("audit", "show", "2").out)["actor"] == "dana"
    assert scrimp("audit", "show", "9").code == 2
    assert scrimp("audit", "show", "zero").code == 2


def test_verify_names_the_first_bad_record(scrimp: Shell, logged: Path) -> None:
    """A changed record is the answer no, not a failure."""
    assert scrimp("audit", "verify").out == "3 records: sound\n"
    file = next((logged / ".scrimp" / "audit").glob("*.jsonl"))
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(lines[0] + lines[1].replace("dana", "kim_") + lines[2])
    ran = scrimp("audit", "verify")
    assert ran.code == 1
    assert ":2: record 2:" in ran.out
    assert json.loads(scrimp("audit", "verify", "--output", "json").out)["bad"]["seq"] == 2


def test_export_writes_lines_or_columns(scrimp: Shell, logged: Path) -> None:
    lines = scrimp("audit", "export").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]
    ran = scrimp("audit", "export", "--format", "csv", "--out", "log.csv")
    assert (ran.code, ran.out, ran.err) == (0, "", "3 records written to log.csv\n")
    assert (logged / "log.csv").read_text().startswith("seq,at,")
    assert scrimp("audit", "export", "--out", "nowhere/log.csv").code == 3
    assert scrimp("audit", "export", "--format", "xml").code == 2
