"""`approve`, `deny`, `pause`, `resume`: what people say to the engine."""

import os
import pwd
import time
from pathlib import Path

import pytest
from tests.cli.command import Shell
from tests.execute.acts import intent

from scrimp.model.ledger import Approval
from scrimp.store import open_store, read_records, replay, visit_store


@pytest.fixture
def asked(folder: Path) -> Path:
    """A state folder with one open request, and one that has lapsed."""
    now_s = time.time()
    store = open_store(folder / ".scrimp", time.time)
    store.record_requests(
        {
            "open": Approval("open", "shrink_idle", "node_group/a", now_s, now_s + 3600),
            "late": Approval("late", "shrink_idle", "node_group/b", now_s - 60, now_s - 30),
            "named": Approval(
                "named", "shrink_idle", "node_group/c", now_s, now_s + 60, approvers=("@oncall", "zoe")
            ),
        }
    )
    store.close()
    return folder


def answer(folder: Path, name: str) -> Approval:
    with visit_store(folder / ".scrimp", time.time) as visit:
        return visit.load_ledger().approvals[name]


@pytest.mark.parametrize(("command", "granted"), [("approve", True), ("deny", False)])
def test_an_answer_is_kept_with_its_actor(scrimp: Shell, asked: Path, command: str, granted: bool) -> None:
    ran = scrimp(command, "open", "--actor", "dana")
    assert ran.code == 0
    assert "shrink_idle on node_group/a" in ran.out
    assert (answer(asked, "open").granted, answer(asked, "open").actor) == (granted, "dana")


@pytest.mark.parametrize("command", ["approve", "deny"])
@pytest.mark.parametrize(
    ("name", "said"), [("none", "no request for approval `none`"), ("late", "has lapsed")]
)
def test_what_does_not_wait_cannot_be_answered(
    scrimp: Shell, asked: Path, command: str, name: str, said: str
) -> None:
    ran = scrimp(command, name)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert answer(asked, "open").granted is None


def test_an_answer_stands(scrimp: Shell, asked: Path) -> None:
    """Who comes second is told so, and changes nothing."""
    assert scrimp("deny", "open", "--actor", "dana").code == 0
    assert scrimp("approve", "open", "--actor", "kim").code == 2
    assert answer(asked, "open").granted is False


def test_pause_holds_until_resume(scrimp: Shell, folder: Path) -> None:
    """The kill switch works before the engine has ever run, and its flags are read from the environment too."""
    assert scrimp("pause", "--reason", "release", "--actor", "dana").code == 0
    with visit_store(folder / ".scrimp", time.time) as visit:
        pause = visit.load_ledger().pause
    assert pause is not None
    assert (pause.actor, pause.reason) == ("dana", "release")
    assert scrimp("pause").out == "paused already, by dana\n"
    assert scrimp("resume").out == "resumed\n"
    assert scrimp("resume").out == "was not paused\n"


def test_flags_are_read_from_the_environment(
    scrimp: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIMP_PAUSE_ACTOR", "robot")
    monkeypatch.setenv("SCRIMP_PAUSE_STORE", "elsewhere")
    assert scrimp("pause").code == 0
    assert (folder / "elsewhere" / "scrimp.db").exists()


@pytest.mark.parametrize("arguments", [("approve", "x"), ("deny", "x"), ("resume",), ("audit", "verify")])
def test_where_nothing_ran_there_is_nothing_to_say(
    scrimp: Shell, folder: Path, arguments: tuple[str, ...]
) -> None:
    """A mistyped folder must not become a new, empty state."""
    ran = scrimp(*arguments)
    assert ran.code == 2
    assert "nothing has run here yet" in ran.err
    assert not (folder / ".scrimp").exists()


def test_a_state_folder_that_cannot_be_made_is_a_failure(scrimp: Shell, folder: Path) -> None:
    (folder / "file").write_text("")
    ran = scrimp("pause", "--store", "file/state")
    assert ran.code == 3
    assert "SCR801" in ran.err


def test_trust_ends_a_doubt_and_is_audited(scrimp: Shell, folder: Path) -> None:
    """Zeros may be real; a person says so, by name."""
    with open_store(folder / ".scrimp", time.time) as store:
        store.save_memory("source", {"prom": {"alive": 12, "rows": 12, "distrusted": True}})
    assert scrimp("trust", "prom", "--actor", "dana").out == "trusted: prom\n"
    ran = scrimp("trust", "prom")
    assert (ran.code, ran.out) == (2, "")
    assert "SCR806" in ran.err
    assert "source `prom` is not distrusted" in ran.err
    assert "override" in scrimp("audit", "list").out


GROUPS = 'approvers:\n  "@oncall": [ann, bo]\n  "@other": [carl]\n'


@pytest.mark.parametrize("command", ["approve", "deny"])
@pytest.mark.parametrize(
    ("config", "name", "actor", "code"),
    [
        (GROUPS, "named", "ann", 0),
        (GROUPS, "named", "zoe", 0),
        (GROUPS, "named", "carl", 2),
        ("", "named", "ann", 2),
        ("", "named", "zoe", 0),
        ("", "named", "@oncall", 2),
        (GROUPS, "open", "carl", 0),
        (GROUPS, "open", "mallory", 2),
        ("", "open", "mallory", 0),
    ],
)
def test_only_approvers_answer(
    scrimp: Shell, asked: Path, command: str, config: str, name: str, actor: str, code: int
) -> None:
    """A name or a group stands in the policy; who is in the group, in scrimp.yaml."""
    (asked / "scrimp.yaml").write_text(config)
    ran = scrimp(command, name, "--actor", actor)
    assert ran.code == code, ran.err
    assert (answer(asked, name).granted is None) == (code != 0)
    if code:
        assert ran.out == ""
        assert "SCR821" in ran.err


def test_who_tried_is_audited_with_their_user(
    scrimp: Shell, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claimed name does not hide whose process it was; LOGNAME does not change that."""
    user = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setenv("LOGNAME", "zoe")
    assert scrimp("approve", "named").code == 2
    monkeypatch.setenv("SCRIMP_ACTOR", "zoe")
    assert scrimp("approve", "named").code == 0
    with visit_store(asked / ".scrimp", time.time) as visit:
        refused, granted = list(read_records(visit.log, event="approval"))[-2:]
        assert visit.verify().bad is None
        assert replay(read_records(visit.log)) == visit.load_ledger()
    assert (refused["actor"], granted["actor"]) == (user, "zoe")
    assert (refused["values"]["os_user"], granted["values"]["os_user"]) == (user, user)
    assert (
        "is not among `@oncall`, `zoe`; `@oncall` has no members in scrimp.yaml"
        in refused["values"]["refused"]
    )


@pytest.mark.usefixtures("asked")
def test_without_an_id_what_waits_is_listed(scrimp: Shell) -> None:
    """Somebody on call should not have to read the audit log for it."""
    ran = scrimp("approve")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["named", "open"]
    assert ran.out.splitlines()[0].endswith("shrink_idle  node_group/c  by @oncall, zoe")


def test_a_person_settles_an_act_in_doubt(scrimp: Shell, folder: Path) -> None:
    """Without a word the target would be left alone for ever."""
    with open_store(folder / ".scrimp", time.time) as store:
        store.record_intent(one := intent("k1"), {})
        store.record_outcome(one, "ask", "neither done nor untouched", {})
        store.record_intent(other := intent("k2"), {})
        store.record_outcome(other, "done", "", {})
    (line,) = scrimp("settle").out.splitlines()
    assert line.split()[0] == "k1"
    assert line.endswith("shrink  node_group/a  scale_down")
    assert scrimp("settle", "k1").code == 2
    assert scrimp("settle", "k1", "done", "--detail", "looked", "--actor", "dana").out == "settled: done\n"
    assert scrimp("settle").out == ""
    assert scrimp("settle", "k1", "failed").code == 2
    with visit_store(folder / ".scrimp", time.time) as visit:
        last = list(read_records(visit.log, event="outcome"))[-1]
        assert visit.load_ledger().intents[0].outcome == "done"
    assert (last["actor"], last["values"]) == ("dana", {"outcome": "done", "detail": "looked"})
