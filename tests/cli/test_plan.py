"""`scrimp plan`."""

import json
from pathlib import Path

import jsonschema
import pytest
from tests.cli.command import BROKEN, POLICIES, SNAPSHOT, Shell

from scrimp_schemas import text

GUARDED = POLICIES.replace("shrink_idle", "ask_first").replace("enforce", "approve").replace("40", "30")
PATIENT = POLICIES.replace("shrink_idle", "wait").replace("< 15%", "< 15% for 1h")


def test_json_is_the_contract(scrimp: Shell) -> None:
    """Others rely on these fields: an act, an unknown, a false."""
    ran = scrimp("plan", "--snapshot", "now.json", "--output", "json")
    plan = json.loads(ran.out)
    assert (ran.code, plan["scrimp"], plan["at"]) == (0, "plan/1", "2026-11-23T12:00:00Z")
    act, unknown = plan["decisions"]
    assert (act["policy"], act["target"], act["verdict"]) == ("shrink_idle", "node_group/audio-a", "act")
    assert act["values"] == {"gpu_utilization": 0.08}
    assert (act["actions"][0]["before"], act["actions"][0]["after"]) == ({"size": 10}, {"size": 5})
    assert act["actions"][0]["saving_per_hour"] == {"amount": 15.0, "currency": "USD"}
    assert (unknown["target"], unknown["verdict"]) == ("node_group/dark", "unknown")
    summary = plan["summary"]
    assert [summary[key] for key in ("act", "unknown", "false", "no_change")] == [1, 1, 1, 0]
    assert summary["saving_per_hour"] == {"amount": 15.0, "currency": "USD"}


@pytest.mark.parametrize("policies", [POLICIES, GUARDED, PATIENT, POLICIES + GUARDED.partition("\n")[2]])
def test_json_obeys_its_schema(scrimp: Shell, folder: Path, policies: str) -> None:
    (folder / "policies" / "idle.scrimp").write_text(policies)
    plan = json.loads(scrimp("plan", "--snapshot", "now.json", "--output", "json").out)
    assert len(plan["decisions"]) >= 2
    jsonschema.validate(plan, json.loads(text("plan.schema.json")))


def test_the_currency_is_the_snapshots(scrimp: Shell, folder: Path) -> None:
    (folder / "now.json").write_text(SNAPSHOT.replace('"at"', '"currency": "EUR", "at"'))
    (folder / "policies" / "idle.scrimp").write_text(POLICIES.replace("$4/h", "€4/h"))
    plan = json.loads(scrimp("plan", "--snapshot", "now.json", "--output", "json").out)
    assert plan["summary"]["saving_per_hour"] == {"amount": 15.0, "currency": "EUR"}


def test_text_fits_eighty_columns(scrimp: Shell, folder: Path) -> None:
    """A plan is read in terminals and in reviews."""
    long = POLICIES.replace(
        "< 15%", "< 15% and size > 1 and price_per_hour > $1/h and known(zone, else 0) == 0"
    )
    (folder / "policies" / "idle.scrimp").write_text(long.replace(" and known(zone, else 0) == 0", ""))
    ran = scrimp("plan", "--snapshot", "now.json")
    assert ran.code == 0
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert "node_group/audio-a" in ran.out
    assert "$15.00/h" in ran.out


TUNING = """\
scrimp 1

policy tune {
  "Find the batch size."
  owner  "ml"
  mode   enforce
  target operation
  when   batch_size > 0
  do     tune_batch_size(max_latency = 2s)
}
"""


def test_the_first_act_of_tuning_shows_that_bounds_are_noted_and_no_size(scrimp: Shell, folder: Path) -> None:
    """What is shown is what is done: see the provider of `tune_batch_size`."""
    (folder / "policies" / "idle.scrimp").write_text(TUNING)
    row = {
        "name": "asr",
        "batch_size": 32,
        "batch_size_next": 16,
        "batch_size_asks": 1,
        "tuned_for": "nothing",
    }
    snapshot = {"scrimp": "snapshot/1", "at": "2026-11-23T12:00:00Z", "kinds": {"operation": [row]}}
    (folder / "now.json").write_text(json.dumps(snapshot))
    assert (
        "tune_batch_size: tuned_for nothing -> (max_latency = 2s)"
        in scrimp("plan", "--snapshot", "now.json").out
    )
    row["tuned_for"] = "(max_latency = 2s)"
    (folder / "now.json").write_text(json.dumps(snapshot))
    assert "batch_size 32 -> 16, batch_size_asks 1 -> 0" in scrimp("plan", "--snapshot", "now.json").out


def test_detailed_exit_code_says_that_something_would_be_done(scrimp: Shell) -> None:
    assert scrimp("plan", "--snapshot", "now.json", "--detailed-exitcode").code == 10
    capped = ("plan", "--snapshot", "now.json", "--detailed-exitcode", "--mode-cap", "dry_run")
    assert scrimp(*capped).code == 0


def test_the_configured_cap_cannot_be_raised(scrimp: Shell, folder: Path) -> None:
    """The flag can only take away."""
    (folder / "scrimp.yaml").write_text("mode_cap: dry_run\n")
    ran = scrimp("plan", "--snapshot", "now.json", "--mode-cap", "enforce", "--output", "json")
    assert json.loads(ran.out)["decisions"][0]["verdict"] == "dry_run"


def test_the_ledger_of_the_state_folder_counts(scrimp: Shell) -> None:
    """A plan under the kill switch shows what the engine would do: nothing."""
    assert scrimp("pause", "--actor", "dana").code == 0
    ran = scrimp("plan", "--snapshot", "now.json", "--output", "json", "--detailed-exitcode")
    assert (ran.code, json.loads(ran.out)["decisions"][0]["verdict"]) == (0, "paused")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"scrimp": "snapshot/1"}', "\x00"])
def test_a_bad_snapshot_is_refused(scrimp: Shell, folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "bad.json").write_text(content)
    ran = scrimp("plan", "--snapshot", "bad.json", "--output", "json")
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert "SCR50" in ran.err


def test_bad_policies_and_bad_usage_are_refused(scrimp: Shell, folder: Path) -> None:
    (folder / "bad.scrimp").write_text(BROKEN)
    ran = scrimp("plan", "--snapshot", "now.json", "--policies", "bad.scrimp")
    assert (ran.code, ran.out) == (2, "")
    assert "gpu_utilisation" in ran.err
    assert scrimp("plan", "--snapshot", "now.json", "--policies", "nowhere").code == 2
    assert scrimp("plan", "--snapshot", "now.json", "--mode-cap", "full").code == 2


def _fleet(count: int) -> str:
    rows = [{"name": f"group-{at:03}", "size": 4, "gpu_utilization": 0.05} for at in range(count)]
    rows += [{"name": f"dark-{at:03}", "size": 4} for at in range(count)]
    return json.dumps({"scrimp": "snapshot/1", "at": "2026-11-23T12:00:00Z", "kinds": {"node_group": rows}})


def test_people_see_the_first_of_each_verdict_and_how_many_more(scrimp: Shell, folder: Path) -> None:
    """A terminal is no place for thousands of blocks; `--all` and JSON have them."""
    (folder / "now.json").write_text(_fleet(30))
    text = scrimp("plan", "--snapshot", "now.json").out
    assert "… and 10 more act: --all shows them" in text
    assert "… and 10 more unknown: --all shows them" in text
    assert text.count("scale_down: size 4 -> 2  saving unknown") == 20
    assert text.splitlines()[-1] == "30 act, 30 unknown, 0 false; saves $0.00/h"
    whole = scrimp("plan", "--snapshot", "now.json", "--all").out
    assert whole.count("scale_down: size 4 -> 2") == 30
    assert "more" not in whole
    assert (
        len(json.loads(scrimp("plan", "--snapshot", "now.json", "--output", "json").out)["decisions"]) == 60
    )


def test_acts_come_first(scrimp: Shell, folder: Path) -> None:
    """What will be done is what a reader looks for."""
    (folder / "now.json").write_text(_fleet(1))
    lines = scrimp("plan", "--snapshot", "now.json").out.splitlines()
    assert [line.split()[0] for line in lines if line[:1].isalpha()] == ["act", "unknown"]


def test_markdown_is_a_table_in_which_nothing_is_markup(scrimp: Shell, folder: Path) -> None:
    """A target's name is not the review's own text."""
    (folder / "now.json").write_text(SNAPSHOT.replace("audio-a", "a|b<img>*x*"))
    ran = scrimp("plan", "--snapshot", "now.json", "--output", "markdown")
    heading, _, summary, _, head, rule, act, unknown = ran.out.splitlines()
    assert heading == "### Plan at 2026-11-23T12:00:00Z"
    assert summary == "**1 act, 1 unknown, 1 false; saves $15.00/h**"
    assert head.count("|") == rule.count("|") == 7
    assert act.startswith(
        r"| act | `shrink_idle` | node\_group/a\|b&lt;img>\*x\* | scale\_down: size 10 -> 5 | saves $15.00/h |"
    )
    assert unknown.startswith("| unknown |")


def test_the_whole_plan_goes_to_a_file(scrimp: Shell, folder: Path) -> None:
    """The same JSON, whatever is shown."""
    shown = scrimp("plan", "--snapshot", "now.json", "--output", "json").out
    assert scrimp("plan", "--snapshot", "now.json", "--out", "plan.json").out.startswith("act ")
    assert json.loads((folder / "plan.json").read_text("utf-8")) == json.loads(shown)
    ran = scrimp("plan", "--snapshot", "now.json", "--out", "nowhere/plan.json")
    assert (ran.code, ran.out) == (3, "")
    assert "cannot write" in ran.err


def test_long_names_stay_within_the_columns(scrimp: Shell, folder: Path) -> None:
    """A name without a space is broken rather than left to run over."""
    (folder / "now.json").write_text(SNAPSHOT.replace("audio-a", "a" * 200))
    ran = scrimp("plan", "--snapshot", "now.json")
    assert max(len(line) for line in ran.out.splitlines()) <= 80


TO_SPOT = """scrimp 1

policy go {
  "Go to spot."
  owner    "me"
  mode     dry_run
  target   node_group where purchase_option == "on_demand"
  when     size > 0
  do       switch_to_spot()
}
"""


def test_a_live_plan_shows_what_the_provider_says(scrimp: Shell, folder: Path) -> None:
    """For each move the pool, its price and the price's age, expected life, saving and break-even: as text and as JSON."""
    (folder / "policies" / "idle.scrimp").write_text(TO_SPOT)
    (folder / "scrimp.yaml").write_text(
        "providers:\n  trace: {type: trace, size: 8}\ncollectors:\n  trace: {type: trace}\n"
    )
    plan = json.loads(scrimp("plan", "--output", "json").out)
    jsonschema.validate(plan, json.loads(text("plan.schema.json")))
    (action,) = plan["decisions"][0]["actions"]
    figures = action["figures"]
    assert figures["pool"].startswith("p3.2xlarge:")
    assert 0 < figures["price_per_hour"] < 3.06
    assert figures["saving_per_hour"] == pytest.approx(3.06 - figures["price_per_hour"])
    assert min(figures["price_age_s"], figures["expected_life_s"], figures["break_even_s"]) >= 0
    said = " ".join(scrimp("plan").out.split())
    assert figures["pool"] in said
    assert "breaks even after" in said
    assert "breaks even after" in scrimp("plan", "--output", "markdown").out
