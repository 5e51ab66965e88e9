"""FOCUS: the rules of 1.2 as a table, held against what is written."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from tests.reports.usage import DAY_S, ROWS, START_S, history, node_hour

from scrimp.history import FocusSettings, HistoryError, columns_of, write_focus
from scrimp.history.focus_columns import SERVICE_CATEGORIES, VERSIONS
from scrimp.model.costs import CostGroups
from scrimp.model.usage import MICRO, Period, UsageRow
from scrimp.reports import Ask, Question, bins, focus_days, make_report

NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
NOW_S = START_S + 10.0 * DAY_S
ASK = Ask(Question(NOVEMBER, bins(NOVEMBER)))

MANDATORY = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
]
MAY_BE_NULL = {"BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"}

Row = Mapping[str, str]
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
# Column, where the rule holds, what holds then: the specification's requirements on cost and usage rows, in its words
# "MUST be null", "MUST NOT be null", "MUST be one of the allowed values", and its formats of times and numbers.
RULES: list[tuple[str, Callable[[Row], bool], Callable[[str], bool]]] = [
    *((one, lambda _: True, lambda v: v != "") for one in MANDATORY if one not in MAY_BE_NULL),
    *((one, lambda _: True, lambda v: bool(DATE.fullmatch(v))) for one in MANDATORY if "Period" in one),
    *(
        (one, lambda _: True, lambda v: bool(NUMBER.fullmatch(v)))
        for one in MANDATORY
        if one.endswith("Cost")
    ),
    ("BillingCurrency", lambda _: True, lambda v: bool(re.fullmatch("[A-Z]{3}", v))),
    ("ChargeCategory", lambda _: True, lambda v: v in ("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    ("ChargeClass", lambda _: True, lambda v: v in ("", "Correction")),
    ("ChargeFrequency", lambda _: True, lambda v: v in ("One-Time", "Recurring", "Usage-Based")),
    ("ServiceCategory", lambda _: True, lambda v: v in SERVICE_CATEGORIES),
    ("PricingQuantity", lambda row: row["ChargeCategory"] == "Usage", lambda v: bool(NUMBER.fullmatch(v))),
    ("PricingUnit", lambda row: row["ChargeCategory"] == "Usage", lambda v: v != ""),
    (
        "PricingCategory",
        lambda row: row["ChargeCategory"] == "Usage",
        lambda v: v in ("Standard", "Dynamic", "Committed", "Other"),
    ),
    ("ConsumedQuantity", lambda row: row["ChargeCategory"] == "Usage", lambda v: bool(NUMBER.fullmatch(v))),
    ("ConsumedQuantity", lambda row: row["ChargeCategory"] != "Usage", lambda v: v == ""),
    ("ConsumedUnit", lambda row: row["ConsumedQuantity"] == "", lambda v: v == ""),
    ("SubAccountType", lambda row: row["SubAccountId"] == "", lambda v: v == ""),
    ("SubAccountType", lambda row: row["SubAccountId"] != "", lambda v: v != ""),
    ("ResourceName", lambda row: row["ResourceId"] == "", lambda v: v == ""),
    ("ResourceType", lambda row: row["ResourceId"] != "", lambda v: v != ""),
    ("ServiceSubcategory", lambda _: True, lambda v: v != ""),
    ("BillingAccountType", lambda _: True, lambda v: v != ""),
    ("Tags", lambda row: row["Tags"] != "", lambda v: isinstance(json.loads(v), dict)),
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_what_1_2_has() -> None:
    """57 columns: 21 mandatory, 4 recommended, 32 conditional; null is allowed in five of the mandatory ones."""
    found = columns_of("1.2")
    levels = [one.level for one in found.values()]
    assert [levels.count(level) for level in ("mandatory", "recommended", "conditional")] == [21, 4, 32]
    assert sorted(one.name for one in found.values() if one.level == "mandatory") == sorted(MANDATORY)
    assert {one.name for one in found.values() if one.level == "mandatory" and one.nullable} == MAY_BE_NULL
    assert [len(columns_of(version)) for version in VERSIONS] == [43, 50, 57, 65]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_rows_of_any_fleet_obey_the_rules_and_add_to_the_report(tmp_path_factory, rows) -> None:
    root = tmp_path_factory.mktemp("focus")
    made = history(root, rows)
    total = make_report(made, ASK, NOW_S).figures
    sums = write_focus(root / "out.csv", focus_days(made, ASK, NOW_S), FocusSettings())
    write_focus(root / "out.parquet", focus_days(made, ASK, NOW_S), FocusSettings())
    written = read(root / "out.csv")
    for currency in total.currencies:
        mine = [row for row in written if row["BillingCurrency"] == currency]
        bill = sum(total.total(currency))
        assert sum((Decimal(row["BilledCost"]) for row in mine), Decimal()) == Decimal(bill) / MICRO
        assert sums[currency] == bill
        parts = [
            name for name in (mine[0] if mine else {}) if name.startswith("x_") and name.endswith("Cost")
        ]
        assert sum((Decimal(row[name]) for row in mine for name in parts), Decimal()) == Decimal(bill) / MICRO
    for row in written:
        for column, where, holds in RULES:
            assert not where(row) or holds(row[column]), (column, row[column])
        for column in columns_of("1.2").values():
            assert not column.values or row.get(column.name, "") in ("", *column.values)
    table = pq.read_table(root / "out.parquet")
    assert table.num_rows == len(written)
    assert sum(table["BilledCost"].to_pylist(), Decimal()) == sum(
        (Decimal(one["BilledCost"]) for one in written), Decimal()
    )


def test_parquet_has_the_types_and_nulls_of_the_table(tmp_path: Path) -> None:
    made = history(tmp_path, node_hour(START_S, "n", MICRO, [("j", 2.0, 1.0)]))
    write_focus(tmp_path / "out.parquet", focus_days(made, ASK, NOW_S), FocusSettings())
    table = pq.read_table(tmp_path / "out.parquet")
    known = columns_of("1.2")
    assert set(MANDATORY) <= set(table.column_names)
    for field in table.schema:
        if field.name.startswith("x_"):
            continue
        kind = known[field.name].kind
        assert {"decimal": pa.types.is_decimal, "datetime": pa.types.is_timestamp}.get(
            kind, pa.types.is_string
        )(field.type)
        assert known[field.name].nullable or table[field.name].null_count == 0
    row = table.to_pylist()[0]
    assert row["ChargePeriodStart"] == datetime(2026, 11, 1, tzinfo=UTC)
    assert row["BillingPeriodEnd"] == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_its_own_columns_and_no_later_ones(tmp_path: Path, version) -> None:
    made = history(tmp_path, node_hour(START_S, "n", MICRO, [("j", 2.0, 1.0)]))
    write_focus(tmp_path / "out.csv", focus_days(made, ASK, NOW_S), FocusSettings(version))
    names = {name for name in read(tmp_path / "out.csv")[0] if not name.startswith("x_")}
    known = columns_of(version)
    assert names <= set(known)
    assert {one.name for one in known.values() if one.level == "mandatory"} <= names


def test_allocated_columns_only_where_asked_for(tmp_path: Path) -> None:
    made = history(tmp_path, node_hour(START_S, "n", MICRO, [("j", 2.0, 1.0)]))
    write_focus(tmp_path / "plain.csv", focus_days(made, ASK, NOW_S), FocusSettings())
    write_focus(tmp_path / "split.csv", focus_days(made, ASK, NOW_S), FocusSettings(allocated=True))
    assert not any(name.startswith("Allocated") for name in read(tmp_path / "plain.csv")[0])
    assert {row["AllocatedResourceId"] for row in read(tmp_path / "split.csv")} == {"j", ""}


def test_a_charge_that_buys_no_quantity_is_a_row_too(tmp_path: Path) -> None:
    """Support, tax, a credit: without it the rows would not add to the report."""
    charge = {"start_s": START_S, "end_s": START_S + DAY_S, "resource": "other"}
    rows = [UsageRow(**charge, billed_micro=7 * MICRO), UsageRow(**charge, node="n", billed_micro=-MICRO)]
    made = history(tmp_path, rows)
    assert write_focus(tmp_path / "out.csv", focus_days(made, ASK, NOW_S), FocusSettings()) == {
        "USD": 6 * MICRO
    }
    written = {
        row["ResourceId"]: (row["BilledCost"], row["ChargeCategory"]) for row in read(tmp_path / "out.csv")
    }
    assert written == {"": ("7.000000", "Usage"), "n": ("-1.000000", "Credit")}


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    """Half of one looks like all of it."""
    made = history(tmp_path, node_hour(START_S, "n", MICRO, [("j", 2.0, 1.0)]))
    (tmp_path / name).write_text("before")

    def days() -> Iterator[tuple[Period, CostGroups]]:
        yield from focus_days(made, ASK, NOW_S)
        raise HistoryError("cannot read the rest")

    with pytest.raises(HistoryError):
        write_focus(tmp_path / name, days(), FocusSettings())
    assert (tmp_path / name).read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] in ([name, "history"], ["history", name])


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    made = history(tmp_path, node_hour(START_S, "n", MICRO))
    target = tmp_path / "null.csv"
    target.symlink_to("/dev/null")
    assert write_focus(target, focus_days(made, ASK, NOW_S), FocusSettings()) == {"USD": MICRO}
    assert target.is_symlink()
