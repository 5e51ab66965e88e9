"""`scrimp check`."""

import json
from pathlib import Path

from tests.cli.command import BROKEN, POLICIES, Shell


def test_a_sound_folder_passes(scrimp: Shell) -> None:
    ran = scrimp("check")
    assert (ran.code, ran.out) == (0, "")
    assert "1 file, 1 policy, 1 test: fine" in ran.err


def test_findings_are_the_result(scrimp: Shell, folder: Path) -> None:
    """Findings go to stdout, and say no."""
    (folder / "policies" / "bad.scrimp").write_text(BROKEN.replace("shrink_idle", "other"))
    ran = scrimp("check", "policies")
    assert ran.code == 1
    assert "gpu_utilisation" in ran.out
    assert "bad.scrimp:9:12" in ran.out


def test_json_has_places_and_counts(scrimp: Shell, folder: Path) -> None:
    (folder / "policies" / "idle.scrimp").write_text(BROKEN)
    ran = scrimp("check", "--output", "json")
    found = json.loads(ran.out)
    assert (ran.code, found["scrimp"]) == (1, "check/1")
    assert found["summary"] == {"files": 1, "errors": 1, "warnings": 0}
    assert (found["findings"][0]["line"], found["findings"][0]["column"]) == (9, 12)


def test_github_lines_are_escaped(scrimp: Shell, folder: Path) -> None:
    """A workflow command ends at the line's end, and its properties at a comma."""
    (folder / "a,b.scrimp").write_text(BROKEN)
    ran = scrimp("check", "a,b.scrimp", "--output", "github")
    assert ran.code == 1
    assert ran.out.startswith("::error file=a%2Cb.scrimp,line=9,col=12,")
    assert len(ran.out.splitlines()) == 1


def test_strict_takes_warnings_for_errors(scrimp: Shell, folder: Path) -> None:
    unused = POLICIES.replace("scrimp 1\n", "scrimp 1\nparam spare: ratio = 5%\n")
    (folder / "policies" / "idle.scrimp").write_text(unused)
    assert scrimp("check").code == 0
    assert scrimp("check", "--strict").code == 1


def test_a_file_that_is_no_text_is_refused(scrimp: Shell, folder: Path) -> None:
    (folder / "policies" / "idle.scrimp").write_bytes(b"\xff\xfe\x00")
    ran = scrimp("check")
    assert (ran.code, ran.out) == (2, "")
    assert "SCR405" in ran.err
    assert "not UTF-8" in ran.err


def test_bad_usage(scrimp: Shell, folder: Path) -> None:
    """A path that is not there, a folder without policies, a broken configuration: exit code 2."""
    (folder / "empty").mkdir()
    assert scrimp("check", "nowhere").code == 2
    assert scrimp("check", "empty").code == 2
    (folder / "scrimp.yaml").write_text("polices: x\n")
    ran = scrimp("check")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean `policies`?" in ran.err


def test_costs_of_clauses_and_their_limit(scrimp: Shell, folder: Path) -> None:
    """What each clause reads for a target: in JSON always, in text on demand; beyond the limit it is a warning."""
    window = POLICIES.replace("gpu_utilization < 15%", "avg(gpu_utilization) over 1h < 15%")
    (folder / "policies" / "idle.scrimp").write_text(window.partition("test ")[0])
    found = json.loads(scrimp("check", "--output", "json").out)
    assert {"policy": "shrink_idle", "clause": "when", "series": 1, "samples": 120} in found["costs"]
    shown = scrimp("check", "--costs")
    assert shown.code == 0
    assert [line.split() for line in shown.out.splitlines() if " when " in line] == [
        ["shrink_idle", "when", "1", "field,", "120", "samples"]
    ]
    limited = scrimp("check", "--max-samples", "119", "--output", "json")
    assert [one["code"] for one in json.loads(limited.out)["findings"]] == ["SCR309"]
    assert scrimp("check", "--max-samples", "119", "--strict").code == 1
    assert scrimp("check", "--max-samples", "120", "--strict").code == 0


def test_sarif_names_rules_and_places(scrimp: Shell, folder: Path) -> None:
    """What a code host draws beside the line; columns count characters, and the end is the first not covered."""
    (folder / "policies" / "idle.scrimp").rename(folder / "policies" / "idle now.scrimp")
    (folder / "policies" / "idle now.scrimp").write_text(BROKEN)
    ran = scrimp("check", "--output", "sarif")
    assert ran.code == 1
    log = json.loads(ran.out)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["SCR201"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("SCR201", "error")
    assert "did you mean `gpu_utilization`?" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "policies/idle%20now.scrimp"
    assert place["region"] == {"startLine": 9, "startColumn": 12, "endLine": 9, "endColumn": 27}


def test_sarif_of_nothing_has_no_results(scrimp: Shell) -> None:
    assert json.loads(scrimp("check", "--output", "sarif").out)["runs"][0]["results"] == []
