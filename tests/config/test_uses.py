"""What policies use from files: catalogues and calendars, found beside the policy or beside `scrimp.yaml`."""

from pathlib import Path

import pytest

from scrimp.config import FilesUsed
from scrimp.config.catalogue import builtin_catalogue
from scrimp.diagnostics import Diagnostic
from scrimp.plan.hours import within
from scrimp.reload import Loaded, PolicyFolder, Rejected, Reloaded, load_policies
from scrimp_actions.specs import SPECS

CATALOGUE = builtin_catalogue().with_actions(SPECS)
POLICY = """scrimp 1
{uses}
policy {name} {{
  "Shrink what is cold."
  owner "platform"
  target node_group where {where}
  when gpu_utilization < 15%
  do scale_down(by = 1)
  guard {{ {guard} }}
}}
"""
TEAM = """scrimp: catalogue/1
kinds:
  node_group:
    fields:
      warmth: {type: ratio, doc: How warm it is.}
"""
FREEZE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//team//freeze//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART:20261120T080000Z
DTEND:20261125T080000Z
END:VEVENT
END:VCALENDAR
"""


def policy(
    name: str = "shrink", uses: str = "", where: str = "size > 2", guard: str = "limit 1 actions per 1h"
) -> str:
    return POLICY.format(name=name, uses=uses, where=where, guard=guard)


def put(path: Path, text: str) -> None:
    """As editors do: beside it, then over it."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def load(folder: Path, **calendars: Path) -> Loaded:
    return load_policies([folder / "policies"], CATALOGUE, uses=lambda: FilesUsed(folder, calendars))


def told(found: tuple[Diagnostic, ...]) -> list[tuple[str, str, int]]:
    """Code, file and line."""
    assert all(one.source is not None and one.span is not None for one in found)
    return [
        (one.code, Path(one.source.path).name, one.source.place(one.span.start).line)
        for one in found
        if one.source is not None and one.span is not None
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    return tmp_path


@pytest.mark.parametrize("place", ["policies/catalog.yaml", "catalog.yaml"])
def test_a_catalogue_adds_fields_once_however_often_it_is_used(folder: Path, place: str) -> None:
    """Several files of one team name the same catalogue."""
    (folder / place).write_text(TEAM)
    for name in ("one", "two"):
        text = policy(name, 'use catalog "catalog.yaml"', "warmth > 10%")
        (folder / f"policies/{name}.scrimp").write_text(text)
    loaded = load(folder)
    assert [one.message for one in loaded.diagnostics] == []
    assert loaded.policy_set is not None
    assert "warmth" in loaded.policy_set.catalogue.kinds["node_group"].fields
    assert "warmth" not in CATALOGUE.kinds["node_group"].fields


def test_a_catalogue_that_is_not_there_is_one_finding(folder: Path) -> None:
    """Without the team's own names half of what policies say would seem wrong."""
    (folder / "policies/a.scrimp").write_text(policy(uses='use catalog "catalog.yaml"', where="warmth > 10%"))
    assert told(load(folder).diagnostics) == [("SCR228", "a.scrimp", 2)]


def test_a_mistake_in_a_catalogue_has_its_place(folder: Path) -> None:
    """In the file in which it stands, and where that file is asked for."""
    (folder / "catalog.yaml").write_text(TEAM.replace("type: ratio", "type: ratioo"))
    (folder / "policies/a.scrimp").write_text(policy(uses='use catalog "catalog.yaml"', where="warmth > 10%"))
    assert told(load(folder).diagnostics) == [("SCR403", "catalog.yaml", 5), ("SCR228", "a.scrimp", 2)]


def test_a_calendar_by_its_file_or_by_the_configuration(folder: Path) -> None:
    """The file's name without its ending is the calendar's."""
    (folder / "freeze.ics").write_text(FREEZE)
    guard = 'never during calendar "freeze"'
    (folder / "policies/a.scrimp").write_text(policy(uses='use calendar "freeze.ics"', guard=guard))
    used = load(folder)
    (folder / "policies/a.scrimp").write_text(policy(guard=guard))
    named = load(folder, freeze=folder / "freeze.ics")
    for loaded in (used, named):
        assert loaded.policy_set is not None, loaded.diagnostics
        (during,) = loaded.policy_set.checked.policies[0].guards.during
        assert during.hours.text == 'calendar "freeze"'
        assert [within(during.hours, at) for at in (1795161599, 1795161600, 1795593599, 1795593600)] == [
            False,
            True,
            True,
            False,
        ]


def test_a_policy_has_another_digest_when_its_calendar_changes(folder: Path) -> None:
    """A freeze that is moved changes what the policy does."""
    text = policy(uses='use calendar "freeze.ics"', guard='never during calendar "freeze"')
    (folder / "policies/a.scrimp").write_text(text)
    digests = set()
    for day in ("20261125", "20261126"):
        (folder / "freeze.ics").write_text(FREEZE.replace("20261125", day))
        loaded = load(folder)
        assert loaded.policy_set is not None
        digests.add(loaded.policy_set.checked.policies[0].digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    "content", [None, "", "BEGIN:VCALENDAR", "\x00\x01", FREEZE.replace("DTSTART", "DTBEGIN")]
)
def test_a_calendar_that_cannot_be_read_is_one_finding(folder: Path, content: str | None) -> None:
    """A freeze that nobody can read must not look like no freeze."""
    if content is not None:
        (folder / "freeze.ics").write_text(content)
    text = policy(uses='use calendar "freeze.ics"', guard='never during calendar "freeze"')
    (folder / "policies/a.scrimp").write_text(text)
    loaded = load(folder)
    assert loaded.policy_set is None
    assert told(loaded.diagnostics) == [("SCR228", "a.scrimp", 2)]


def test_a_freeze_that_is_moved_is_loaded_though_no_policy_changed(folder: Path) -> None:
    """Also one that cannot be read any more, is there again, or is put beside the policy, where it comes first."""
    freeze = folder / "freeze.ics"
    put(freeze, FREEZE)
    text = policy(uses='use calendar "freeze.ics"', guard='never during calendar "freeze"')
    (folder / "policies/a.scrimp").write_text(text)
    watched = PolicyFolder([folder / "policies"], lambda: load(folder))
    assert isinstance(watched.reload(), Reloaded)
    assert watched.reload() is None
    put(freeze, FREEZE.replace("20261125", "20261126"))
    moved = watched.reload()
    assert isinstance(moved, Reloaded)
    assert moved.changes.changed == ("shrink",)
    freeze.unlink()
    assert isinstance(watched.reload(), Rejected)
    assert watched.reload() is None
    put(freeze, FREEZE)
    assert isinstance(watched.reload(), Reloaded)
    put(folder / "policies/freeze.ics", FREEZE.replace("20261125", "20261127"))
    assert isinstance(watched.reload(), Reloaded)
    assert watched.reload() is None


@pytest.mark.parametrize("path", ["a" * 300 + ".ics", "\u0000.ics", "policies", "p.scrimp/f.ics"])
def test_a_path_that_leads_nowhere_is_one_finding(folder: Path, path: str) -> None:
    """A name that is too long, a folder, a file taken for a folder: the daemon goes on with the set before."""
    (folder / "policies/p.scrimp").write_text(policy(uses=f'use calendar "{path}"'))
    loaded = load(folder)
    assert loaded.policy_set is None
    assert told(loaded.diagnostics)[0][1:] == ("p.scrimp", 2)


def test_a_calendar_that_nobody_names_is_unknown(folder: Path) -> None:
    (folder / "freeze.ics").write_text(FREEZE)
    text = policy(uses='use calendar "freeze.ics"', guard='never during calendar "freze"')
    (folder / "policies/a.scrimp").write_text(text)
    (found,) = load(folder).diagnostics
    assert (found.code, found.hint) == ("SCR224", "did you mean `freeze`?")
