"""What the world around a command may do to it: files that cannot be written, odd texts, slips in the configuration."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cli.command import POLICIES, SNAPSHOT, Shell

from scrimp.store import open_store


def test_what_cannot_be_written_is_told_in_a_line(scrimp: Shell, folder: Path) -> None:
    """In the user's words, and nothing is said to be done that was not."""
    for arguments in (
        ("test", "--junit", "none/j.xml"),
        ("plan", "--snapshot", "now.json", "--out", "none/p"),
    ):
        ran = scrimp(*arguments)
        assert ran.code == 3
        assert ran.err.endswith(f"cannot write `{arguments[-1]}`: No such file or directory\n")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from scrimp.cli import main; main()", "schema", "plan"]
        ran = subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (3, "error: No space left on device\n")


def test_a_snapshot_may_begin_with_a_byte_order_mark_and_must_be_utf8(scrimp: Shell, folder: Path) -> None:
    (folder / "now.json").write_bytes(b"\xef\xbb\xbf" + SNAPSHOT.encode())
    assert scrimp("plan", "--snapshot", "now.json").code == 0
    (folder / "now.json").write_bytes(SNAPSHOT.replace("busy", "b\xfcsy").encode("latin-1"))
    ran = scrimp("plan", "--snapshot", "now.json")
    assert ran.code == 2
    assert "is not UTF-8: byte 178" in ran.err


def test_a_parameter_that_no_policy_has_is_told_with_its_place(scrimp: Shell, folder: Path) -> None:
    """Only of the whole folder: a single file need not have all of them."""
    file = folder / "policies/idle.scrimp"
    file.write_text(
        POLICIES.replace("policy shrink", "param spare: count = 2\n\npolicy shrink", 1).replace(
            "size > 2", "size > spare"
        )
    )
    (folder / "scrimp.yaml").write_text("params:\n  spare: 3\n  spar: 4\n")
    found = json.loads(scrimp("check", "--output", "json").out)["findings"][-1]
    place = [found[key] for key in ("code", "severity", "path", "line", "column", "hint")]
    assert place == ["SCR402", "warning", "scrimp.yaml", 3, 3, "did you mean `spare`?"]
    assert scrimp("check", "--strict").code == 1
    assert "`spar`" in scrimp("plan", "--snapshot", "now.json").err
    assert "SCR402" not in scrimp("check", "policies/idle.scrimp").out


def test_a_clause_under_not_is_told_as_it_stands(scrimp: Shell, folder: Path) -> None:
    when = "not (size > 3 and gpu_utilization < 50%) and not (size < 1 or price_per_hour > $9/h)"
    (folder / "policies/idle.scrimp").write_text(
        POLICIES.split("test ")[0].replace("gpu_utilization < 15%", when)
    )
    told = scrimp("why", "shrink_idle", "busy", "--snapshot", "now.json").out.splitlines()
    assert told[2:6] == [
        "  false   not (size = 4 > 3), margin -1",
        "  true    not (gpu_utilization = 90% < 50%), margin 0.4",
        "  true    not (size = 4 < 1), margin 3",
        "  true    not (price_per_hour = $3.00/h > $9/h), margin 6",
    ]
    unknown = scrimp("why", "shrink_idle", "dark", "--snapshot", "now.json").out.splitlines()[3]
    assert unknown.startswith("  unknown not (gpu_utilization = unknown < 50%): ")


def test_since_is_an_instant_or_a_time_ago(scrimp: Shell, folder: Path) -> None:
    with open_store(folder / ".scrimp", lambda: 1_800_000_000.0) as store:
        store.pause("ann", "")
    assert scrimp("audit", "list", "--since", "yesterday").code == 2
    assert "pause" in scrimp("audit", "list", "--since", "2027-01-15T08:00:00Z").out
    assert "pause" in scrimp("audit", "list", "--since", "2027-01-15T09:00:00+01:00").out
    assert scrimp("audit", "list", "--since", "2027-01-15T08:00:01Z").out == ""
    shutil.rmtree(folder / ".scrimp/audit")
    (folder / ".scrimp/audit").mkdir()
    assert scrimp("audit", "verify").out == "record 1: record 1 is missing at the end\n"


def test_the_catalogue_is_printed(scrimp: Shell) -> None:
    """Hints of `check` name it."""
    whole = json.loads(scrimp("schema", "catalogue").out)
    assert whole["kinds"]["job"]["fields"]["spot_discount"]["type"] == "ratio"
    assert whole["actions"]["scale_down"]["inverse"] == "scale_up"
    one = json.loads(scrimp("schema", "catalogue", "pool").out)
    assert (list(one["kinds"]), "scale_down" in one["actions"]) == (["pool"], False)
    assert {"resize_pool", "alert"} <= set(one["actions"])
    near = scrimp("schema", "catalogue", "pol")
    assert (near.code, near.out) == (2, "")
    assert "did you mean `pool`?" in near.err
    assert scrimp("schema", "plan", "pool").code == 2
