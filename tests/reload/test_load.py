"""Policy files in: what can be read and what cannot."""

import os
from pathlib import Path

import pytest

from scrimp.diagnostics import Severity
from scrimp.plugins import load_catalogue
from scrimp.reload import load_policies

CATALOGUE = load_catalogue()
GOOD = """scrimp 1

policy {name} {{
  target node_group
  when gpu_utilization < {bound}
  do scale_down(by = 50%)
}}
"""


def good(name: str = "shrink", bound: str = "20%") -> str:
    return GOOD.format(name=name, bound=bound)


def test_all_files_of_a_folder_are_one_set(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.scrimp").write_text(good("two"))
    (tmp_path / "one.scrimp").write_text(good("one"))
    (tmp_path / "notes.txt").write_text("not a policy")
    (tmp_path / ".hidden.scrimp").write_text("policy {")
    loaded = load_policies([tmp_path, tmp_path / "one.scrimp"], CATALOGUE)
    assert loaded.policy_set is not None, loaded.diagnostics
    assert sorted(one.name for one in loaded.policy_set.checked.policies) == ["one", "two"]
    assert [Path(one.path).name for one in loaded.sources] == ["two.scrimp", "one.scrimp"]


def test_overrides_reach_the_parameters(tmp_path: Path) -> None:
    file = tmp_path / "p.scrimp"
    file.write_text(
        good(bound="idle").replace("scrimp 1\n", "scrimp 1\n\nparam idle: ratio = 20% within [5%, 50%]\n")
    )
    loaded = load_policies([file], CATALOGUE, {"idle": "10%"})
    assert loaded.policy_set is not None, loaded.diagnostics
    assert loaded.policy_set.checked.params["idle"].value == pytest.approx(0.1)


def test_what_cannot_be_read_refuses_the_set_and_is_told_with_its_path(tmp_path: Path) -> None:
    """Half a set must never be in force: a policy that is missing could be the one that guards."""
    (tmp_path / "good.scrimp").write_text(good())
    (tmp_path / "latin.scrimp").write_bytes(b"scrimp 1\n# caf\xe9\n")
    loaded = load_policies([tmp_path, tmp_path / "absent"], CATALOGUE)
    assert loaded.policy_set is None
    latin, absent = (one for one in loaded.diagnostics if one.severity is Severity.ERROR)
    assert latin.code == absent.code == "SCR405"
    assert latin.source is not None
    assert latin.source.path.endswith("latin.scrimp")
    assert "not UTF-8: byte 14" in latin.message
    assert "No such file" in absent.message


def test_a_folder_without_policies_is_told(tmp_path: Path) -> None:
    loaded = load_policies([tmp_path], CATALOGUE)
    assert loaded.policy_set is None
    assert [one.code for one in loaded.diagnostics] == ["SCR405"]


def test_an_error_in_one_file_does_not_hide_those_of_another(tmp_path: Path) -> None:
    (tmp_path / "a.scrimp").write_text("scrimp 1\n\npolicy p {\n")
    (tmp_path / "b.scrimp").write_text(good(bound="5m"))
    loaded = load_policies([tmp_path], CATALOGUE)
    assert loaded.policy_set is None
    errors = {one.code[:4] for one in loaded.diagnostics if one.severity is Severity.ERROR}
    assert errors == {"SCR1", "SCR2"}


def test_a_link_to_nowhere_is_a_policy_that_is_missing(tmp_path: Path) -> None:
    """It may be the one that guards; a pipe, on the other hand, is no file and is not waited for."""
    (tmp_path / "one.scrimp").write_text(good())
    os.mkfifo(tmp_path / "pipe.scrimp")
    assert load_policies([tmp_path], CATALOGUE).policy_set is not None
    (tmp_path / "link.scrimp").symlink_to("nowhere.scrimp")
    loaded = load_policies([tmp_path], CATALOGUE)
    assert loaded.policy_set is None
    assert [one.code for one in loaded.diagnostics if one.severity is Severity.ERROR] == ["SCR405"]
