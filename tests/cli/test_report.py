"""`scrimp report`, `budget` and `history` as a team meets them: bills in, sums out, 80 columns."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from tests.cli.command import Shell
from tests.reports.usage import DAY_S, HOUR_S, history, node_hour

from scrimp.cli._app import ExitCode
from scrimp.daemon.budgets import CLOSED_S
from scrimp.history import Part, day_of
from scrimp.model.usage import MICRO

CONFIG = (
    "budgets:\n  all: {limit: 100000, per: year, alerts: {unit_cost: 10%}}\n  lean: {limit: 1, per: year}\n"
)


NOWS = {
    "within an hour": "2026-11-26T12:34:56Z",
    "before an hour of the new month is closed": "2026-03-01T00:00:30Z",
    "the last second of a year": "2026-12-31T23:59:59Z",
}


@pytest.fixture(params=NOWS.values(), ids=NOWS)
def now_s(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """What the machine's clock says, so that no test depends on when it runs."""
    at_s = datetime.fromisoformat(request.param).timestamp()
    monkeypatch.setattr(time, "time", lambda: at_s)
    return at_s


def measured(root: Path, now_s: float) -> None:
    """Nine days at a dollar an hour up to the last hour that is closed; on the last day half as much gets done."""
    end_s = int((now_s - CLOSED_S) // HOUR_S) * HOUR_S
    starts = [end_s - hour * HOUR_S for hour in range(9 * 24, 0, -1)]
    rows = [row for at_s in starts for row in node_hour(at_s, "n", MICRO, [("j", 2.0, 1.0)])]
    folder = history(root / ".scrimp", rows).folder
    for at_s in starts:
        done = 100.0 if at_s < end_s - DAY_S else 50.0
        texts = {"job": ["j"], "operation": ["mel"], "team": ["audio"], "unit": ["samples"]}
        row = pa.table({"start_s": [at_s], "end_s": [at_s + HOUR_S], **texts, "quantity": [done]})
        folder.write(Part("work", "measured", day_of(at_s)), row)


def bill(path: Path, *charges: tuple[str, str, str, str]) -> Path:
    """FOCUS rows: machine, start, end, cost."""
    lines = [
        "ResourceId,ChargePeriodStart,ChargePeriodEnd,EffectiveCost,BilledCost,BillingCurrency,ServiceCategory"
    ]
    lines += [f"{node},{start},{end},{cost},{cost},USD,Compute" for node, start, end, cost in charges]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_budget_shows_the_cost_per_item_and_the_rules_that_it_passes(
    folder: Path, scrimp: Shell, now_s: float
) -> None:
    (folder / "scrimp.yaml").write_text(CONFIG)
    measured(folder, now_s)
    shown = scrimp("budget", "all")
    assert shown.code == ExitCode.DONE
    assert "per item         +100.0%  the last 1d against the 7d before" in shown.out
    assert "warning   the cost per item rose by 100%" in shown.out
    assert max(len(line) for line in shown.out.splitlines()) <= 80
    told = json.loads(scrimp("budget", "--output", "json").out)
    (whole, lean) = told["budgets"]
    assert whole["unit_cost_change"] == pytest.approx(1.0)
    assert {"rule": "unit cost", "severity": "warning", "value": 1.0, "mark": 0.1} in whole["alerts"]
    assert "actual 100%" in {one["rule"] for one in lean["alerts"]}
    assert scrimp("budget", "lean").code == ExitCode.NO


def test_a_budget_of_bills_says_up_to_when_it_knows(folder: Path, scrimp: Shell, now_s: float) -> None:
    (folder / "scrimp.yaml").write_text(CONFIG)
    end = datetime.fromtimestamp(now_s // DAY_S * DAY_S - DAY_S, UTC)
    start = datetime.fromtimestamp(end.timestamp() - DAY_S, UTC)
    bill(folder / "bill.csv", ("i", f"{start:%FT%TZ}", f"{end:%FT%TZ}", "24"))
    assert scrimp("history", "import", "bill.csv").code == ExitCode.DONE
    assert (
        f"known up to {end:%Y-%m-%dT%H:%MZ}; what came later is in the forecast"
        in scrimp("budget", "all").out
    )
    assert (
        json.loads(scrimp("budget", "all", "--output", "json").out)["budgets"][0]["known_to"]
        == f"{end:%FT%TZ}"
    )


def test_a_budget_before_anything_was_seen_is_unknown_and_not_at_nothing(folder: Path, scrimp: Shell) -> None:
    (folder / "scrimp.yaml").write_text(CONFIG)
    shown = scrimp("budget", "all")
    assert shown.code == ExitCode.DONE
    assert "no usage yet" in shown.out
    assert "0.0%" not in shown.out
    (told,) = json.loads(scrimp("budget", "all", "--output", "json").out)["budgets"]
    assert (told["spent"], told["used"], told["forecast"], told["alerts"]) == (None, None, None, [])


def test_what_was_billed_in_another_currency_is_told_beside_budgets(
    folder: Path, scrimp: Shell, now_s: float
) -> None:
    (folder / "scrimp.yaml").write_text("currency: EUR\n" + CONFIG)
    day = datetime.fromtimestamp(now_s // DAY_S * DAY_S - DAY_S, UTC)
    bill(folder / "bill.csv", ("i", f"{day:%FT%TZ}", f"{day:%FT06:00:00Z}", "24"))
    scrimp("history", "import", "bill.csv")
    shown = scrimp("budget", "all")
    assert "$24.00 since" in shown.err
    assert "spent              €0.00" in shown.out


@pytest.mark.parametrize(
    ("limit", "said"),
    [("0", "must be above 0"), ("-1", "must be above 0"), (".inf", "no number"), (".nan", "no number")],
)
def test_a_budget_of_nothing_or_of_no_amount_is_a_mistake(
    folder: Path, scrimp: Shell, limit: str, said: str
) -> None:
    (folder / "scrimp.yaml").write_text(f"budgets: {{all: {{limit: {limit}}}}}\n")
    shown = scrimp("budget")
    assert shown.code == ExitCode.WRONG
    assert said in shown.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--period", "week", "--from", "2026-11-01"), "`--period` is of calendar periods"),
        (("--back", "1", "--from", "2026-11-01"), "`--back` is of calendar periods"),
        (("--back", "100000"), "no month so long ago"),
        (("--period", "year", "--back", "3000"), "no year so long ago"),
        (("--source", "focuss"), "did you mean `focus`?"),
        (("--source", "azure"), "there are cur, focus, measured"),
    ],
)
def test_a_report_of_no_period_or_source_is_a_mistake(
    folder: Path, scrimp: Shell, flags: tuple[str, ...], said: str
) -> None:
    shown = scrimp("report", *flags)
    assert shown.code == ExitCode.WRONG
    assert said in shown.err


def test_a_name_from_a_bill_cannot_break_the_table_or_command_the_terminal(
    folder: Path, scrimp: Shell
) -> None:
    hour = ("2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z", "1")
    bill(folder / "bill.csv", ('"a\n\x1b[2Jb"', *hour))
    scrimp("history", "import", "bill.csv")
    shown = scrimp("report", "--from", "2026-11-01", "--to", "2026-11-02")
    assert "\na??[2Jb " in shown.out
    assert "\x1b" not in shown.out


def test_a_file_of_the_history_that_is_damaged_is_told_with_its_place(folder: Path, scrimp: Shell) -> None:
    """And no report is made of the rest: it would look like a cheap month."""
    bill(folder / "bill.csv", ("i", "2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z", "1"))
    scrimp("history", "import", "bill.csv")
    for path in (folder / ".scrimp" / "history").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
    shown = scrimp("report", "--from", "2026-10-01", "--to", "2026-11-01")
    assert (shown.code, shown.out) == (ExitCode.FAILED, "")
    assert "/kind=focus/day=2026-10-01/" in shown.err


def test_a_past_that_nobody_gives_is_told_in_a_line(folder: Path, scrimp: Shell) -> None:
    queries = "[{kind: node, field: cores, query: cores}]"
    (folder / "scrimp.yaml").write_text(
        f"collectors:\n  prom: {{type: prometheus, url: 'http://127.0.0.1:9', queries: {queries}}}\n"
    )
    shown = scrimp("history", "fill", "--from", "30d")
    assert shown.code == ExitCode.FAILED
    assert len(shown.err.splitlines()) == 1
    assert "`prom` has no past to give: cannot be reached" in shown.err


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_times_without_a_zone_are_utc_wherever_it_runs(folder: Path, zone: str) -> None:
    """The day on which Berlin turns its clocks back has 25 hours there, and 24 in a bill."""
    bill(
        folder / "bill.csv",
        ("plain", "2026-10-25 00:00:00", "2026-10-26 00:00:00", "24"),
        ("date", "2026-10-25", "2026-10-26", "24"),
        ("berlin", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", "25"),
    )
    command = [sys.executable, "-c", "from scrimp.cli import main; main()"]
    asked = [
        *command,
        "report",
        "--from",
        "2026-10-24",
        "--to",
        "2026-10-27",
        "--by",
        "node",
        "--output",
        "csv",
    ]
    for each in ([*command, "history", "import", "bill.csv"], asked):
        done = subprocess.run(
            each, cwd=folder, env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
        )
    hours = {line.split(",")[0]: float(line.split(",")[7]) for line in done.stdout.splitlines()[1:]}
    assert hours == {"plain": 24.0, "date": 24.0, "berlin": 25.0}


OCTOBER = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")


def total(scrimp: Shell) -> float:
    told = json.loads(scrimp("report", "--from", "2026-09-01", "--to", "2026-12-01", "--output", "json").out)
    return sum(one["total"] for one in told["currencies"])


def test_a_bill_that_is_delivered_again_is_told_and_can_replace(folder: Path, scrimp: Shell) -> None:
    """The file of a month comes again with other costs; what other months and other files of it have stays."""
    bill(
        folder / "first.csv",
        ("i", *OCTOBER, "100"),
        ("s", "2026-09-30T00:00:00Z", "2026-10-01T00:00:00Z", "7"),
    )
    bill(folder / "again-1.csv", ("i", *OCTOBER, "90"))
    bill(folder / "again-2.csv", ("k", *OCTOBER, "3"))
    assert scrimp("history", "import", "first.csv").code == ExitCode.DONE
    doubled = scrimp("history", "import", "again-1.csv")
    assert doubled.code == ExitCode.NO
    assert "again-1.csv: 31 charges of it, 90.00 of cost, are for machines and times" in doubled.err
    assert total(scrimp) == 197
    replaced = scrimp("history", "import", "again-1.csv", "again-2.csv", "--replace")
    assert replaced.code == ExitCode.DONE
    assert "instead of other imports of focus: $100.00" in replaced.out
    assert total(scrimp) == 100
    assert scrimp("history", "import", "again-1.csv", "again-2.csv", "--replace").code == ExitCode.DONE
    assert total(scrimp) == 100


def test_a_correction_counts_beside_the_bill(folder: Path, scrimp: Shell) -> None:
    """A credit of a past month, in a file of its own: told, because it might be the bill again, and added."""
    bill(folder / "bill.csv", ("i", *OCTOBER, "100"))
    bill(folder / "credit.csv", ("i", *OCTOBER, "-40"))
    scrimp("history", "import", "bill.csv")
    assert scrimp("history", "import", "credit.csv").code == ExitCode.NO
    assert total(scrimp) == 60


def test_an_import_that_was_cut_is_told_until_it_is_done_again(folder: Path, scrimp: Shell) -> None:
    """Some of its days are there and look like all of it; a report of those would be believed."""
    bill(folder / "bill.csv", ("i", *OCTOBER, "31"))
    day = folder / ".scrimp" / "history" / "usage" / "kind=focus" / "day=2026-10-04"
    day.parent.mkdir(parents=True)
    day.symlink_to(folder / "nowhere")
    assert scrimp("history", "import", "bill.csv").code == ExitCode.FAILED
    line = "the import of bill.csv has not ended: days of it may lack; import it again"
    day.unlink()
    for command in (("history", "show"), ("report", "--from", "2026-10-01", "--to", "2026-11-01")):
        assert line in scrimp(*command).err
    assert total(scrimp) == 3
    assert scrimp("history", "import", "bill.csv").code == ExitCode.DONE
    assert line not in scrimp("history", "show").err
    assert total(scrimp) == 31
