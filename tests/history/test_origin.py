"""What a bill says of its charges is in an export again: who provided, made and invoiced them, and of what service they are."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.history.test_focus import MANDATORY, RULES
from tests.history.test_imports import LEGACY, cur2, opened, write
from tests.reports.usage import DAY_S, START_S, history, node_hour

from scrimp.history import FocusSettings, History, import_bill, open_history, write_focus
from scrimp.history.daily import add_up
from scrimp.history.files import Folder
from scrimp.model.usage import MICRO, Period
from scrimp.reports import Ask, focus_days, make_report

NOVEMBER = Period(START_S, START_S + 30 * DAY_S)
NOW_S = START_S + 40.0 * DAY_S
DAY = {"ChargePeriodStart": "2026-11-02T00:00:00Z", "ChargePeriodEnd": "2026-11-03T00:00:00Z"}
MACHINE = {
    **DAY,
    **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), "10.250000"),
    "BillingAccountId": "1111",
    "BillingAccountName": "payer",
    "BillingAccountType": "Payer",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-11-01T00:00:00Z",
    "BillingPeriodEnd": "2026-12-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeClass": "",
    "ChargeDescription": "a machine, by the hour",
    "ChargeFrequency": "Usage-Based",
    "CommitmentDiscountStatus": "",
    "InvoiceId": "7",
    "InvoiceIssuerName": "A Reseller",
    "PricingCategory": "Dynamic",
    "PricingQuantity": "24.000000",
    "PricingUnit": "Hours",
    "ProviderName": "A Cloud",
    "PublisherName": "A Cloud",
    "RegionId": "north-1",
    "RegionName": "North",
    "ResourceId": "i-1",
    "ResourceType": "p4d.24xlarge",
    "ServiceCategory": "Compute",
    "ServiceName": "Machines",
    "ServiceSubcategory": "Virtual Machines",
    "SkuId": "sku-1",
    "SkuPriceId": "sku-1.7",
    "SubAccountId": "2222",
    "SubAccountName": "research",
    "SubAccountType": "Account",
    "Tags": '{"team": "audio", "stage": "test"}',
}
NOTHING_PRICED = {"PricingQuantity": "", "PricingUnit": "", "PricingCategory": ""}
NO_MACHINE = {"ResourceId": "", "ResourceType": "", "SkuId": "", "SkuPriceId": "", "Tags": ""}
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
ROWS: dict[str, dict[str, str]] = {
    "machine": MACHINE,
    "marketplace": {**MACHINE, "PublisherName": "A Vendor", "ServiceName": "A Model", "ResourceId": "m-1"},
    "tax": {
        **MACHINE,
        **NO_MACHINE,
        **NOTHING_PRICED,
        **dict.fromkeys(COSTS, "1.000000"),
        "ChargeCategory": "Tax",
        "ServiceCategory": "Other",
        "ServiceName": "Tax",
        "ServiceSubcategory": "Other (Other)",
    },
    "credit": {
        **MACHINE,
        **NO_MACHINE,
        **dict.fromkeys(COSTS, "-2.000000"),
        "PricingQuantity": "0.000000",
        "ChargeCategory": "Credit",
        "ChargeClass": "Correction",
        "ServiceCategory": "Other",
        "ServiceName": "Promotion",
        "ServiceSubcategory": "Other (Other)",
        "BillingPeriodStart": "2026-12-01T00:00:00Z",
        "BillingPeriodEnd": "2027-01-01T00:00:00Z",
    },
    "unused commitment": {
        **MACHINE,
        "ResourceId": "plan-1",
        "ResourceType": "plan",
        "PricingCategory": "Committed",
        "CommitmentDiscountStatus": "Unused",
    },
}


def exported(found: History, path: Path, settings: FocusSettings | None = None) -> list[dict[str, str]]:
    """The rows that are written of November."""
    asked = settings or FocusSettings(imported=True)
    write_focus(path, focus_days(found, Ask.of(NOVEMBER), NOW_S), asked)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def imported(root: Path, bill: Path) -> History:
    import_bill(opened(root), bill)
    return open_history(root)


@pytest.mark.parametrize("name", ["bill.csv", "bill.parquet"])
def test_a_focus_bill_comes_out_as_it_went_in(tmp_path: Path, name: str) -> None:
    """All that the bill says, but how its time is cut, and quantities in units that scrimp does not know."""
    found = imported(tmp_path, write(tmp_path / name, list(ROWS.values())))
    written = exported(found, tmp_path / "out.csv")
    assert len(written) == len(ROWS)
    services = {(row["ServiceName"], row["ResourceId"]): row for row in written}
    for kind, row in ROWS.items():
        mine = services[row["ServiceName"], row["ResourceId"]]
        assert {one: mine[one] for one in row if one != "Tags"} == {
            one: text for one, text in row.items() if one != "Tags"
        }, kind
        assert json.loads(mine["Tags"] or "{}") == json.loads(row["Tags"] or "{}")
        assert set(MANDATORY) <= set(mine)
    for row in written:
        for column, where, holds in RULES:
            usual = row["ChargeCategory"] == "Usage" and row["CommitmentDiscountStatus"] == ""
            if column.startswith("Consumed") and not usual:
                assert row[column] == ""
            elif row["ChargeCategory"] != "Tax" or column != "PricingCategory":
                assert not where(row) or holds(row[column]), (column, row[column])


def test_charges_of_hours_add_to_those_of_their_day(tmp_path: Path) -> None:
    hours = [
        {
            **row,
            "ChargePeriodStart": f"2026-11-02T{hour:02}:00:00Z",
            "ChargePeriodEnd": f"2026-11-02T{hour:02}:30:00Z",
        }
        for row in ROWS.values()
        for hour in range(24)
    ]
    written = exported(imported(tmp_path, write(tmp_path / "bill.csv", hours)), tmp_path / "out.csv")
    keys = ("ProviderName", "PublisherName", "InvoiceIssuerName", "ServiceName", "ChargeCategory", "SkuId")
    assert sums(written, keys) == sums(hours, keys)


def sums(rows: list[dict[str, str]], by: tuple[str, ...]) -> Mapping[tuple[str, ...], Decimal]:
    found: dict[tuple[str, ...], Decimal] = {}
    for row in rows:
        key = tuple(row[name] for name in by)
        found[key] = found.get(key, Decimal()) + Decimal(row["BilledCost"])
    return found


def test_what_was_exported_can_be_imported_and_exported_again(tmp_path: Path) -> None:
    first = imported(tmp_path / "a", write(tmp_path / "bill.csv", list(ROWS.values())))
    once = exported(first, tmp_path / "once.csv")
    twice = exported(imported(tmp_path / "b", tmp_path / "once.csv"), tmp_path / "twice.csv")
    assert sums(twice, tuple(MANDATORY)[1:]) == sums(once, tuple(MANDATORY)[1:])


@pytest.mark.parametrize("form", ["bill.csv", "bill.parquet"])
@pytest.mark.parametrize(
    ("kind", "category", "frequency"),
    [("Usage", "Usage", "Usage-Based"), ("RIFee", "Purchase", "Recurring"), ("Tax", "Tax", "Usage-Based")],
)
def test_an_aws_report_says_who_sold_and_who_invoices(
    tmp_path: Path, form: str, kind: str, category: str, frequency: str
) -> None:
    row = {
        **LEGACY,
        "lineItem/LineItemType": kind,
        "reservation/UnusedRecurringFee": "10.25" if kind == "RIFee" else "",
        "lineItem/LegalEntity": "Amazon Web Services, Inc.",
        "lineItem/UsageAccountId": "2222",
        "lineItem/LineItemDescription": "$32.77 per hour",
        "bill/InvoicingEntity": "Amazon Web Services EMEA SARL",
        "bill/PayerAccountId": "1111",
        "bill/BillingPeriodStartDate": "2026-11-01T00:00:00Z",
        "product/sku": "S1",
        "product/regionCode": "us-west-2",
    }
    bill = write(tmp_path / form, [cur2(row) if form == "bill.parquet" else row])
    (found,) = exported(imported(tmp_path, bill), tmp_path / "out.csv")
    said = {
        "ProviderName": "AWS",
        "PublisherName": "Amazon Web Services, Inc.",
        "InvoiceIssuerName": "Amazon Web Services EMEA SARL",
        "BillingAccountId": "1111",
        "SubAccountId": "2222",
        "SubAccountType": "Account",
        "ChargeCategory": category,
        "ChargeFrequency": frequency,
        "ChargeDescription": "$32.77 per hour",
        "ServiceName": "AmazonEC2",
        "SkuId": "S1",
        "RegionId": "us-west-2",
        "BilledCost": "10.250000",
    }
    assert {name: found[name] for name in said} == said


def test_what_is_measured_here_is_of_this_provider_and_has_no_columns_of_bills(tmp_path: Path) -> None:
    made = history(tmp_path, node_hour(START_S, "n", MICRO, [("j", 2.0, 1.0)]))
    written = exported(made, tmp_path / "out.csv", FocusSettings(provider="us"))
    assert {
        row[name] for row in written for name in ("ProviderName", "PublisherName", "InvoiceIssuerName")
    } == {"us"}
    assert not {"SkuId", "RegionId", "CommitmentDiscountStatus"} & set(written[0])


@pytest.mark.parametrize("added_up", [False, True])
def test_a_history_of_before_is_read_beside_a_new_one(tmp_path: Path, *, added_up: bool) -> None:
    """Its files have no column of what bills say; the sums of its days neither."""
    folder = opened(tmp_path)
    import_bill(folder, write(tmp_path / "bill.csv", [MACHINE]))
    without_origin(folder, add=added_up)
    later = {
        **MACHINE,
        "ChargePeriodStart": "2026-11-03T00:00:00Z",
        "ChargePeriodEnd": "2026-11-04T00:00:00Z",
    }
    import_bill(folder, write(tmp_path / "later.csv", [later]))
    both = open_history(tmp_path)
    assert sum(make_report(both, Ask.of(NOVEMBER), NOW_S).figures.total("USD")) == 20_500_000
    written = exported(both, tmp_path / "out.csv")
    assert [(row["ProviderName"], row["BilledCost"]) for row in written] == [
        ("scrimp", "10.250000"),
        ("A Cloud", "10.250000"),
    ]


def without_origin(folder: Folder, *, add: bool) -> None:
    """The files as they were written before there was the column."""
    for part in folder.parts("usage"):
        files = folder.files_of(part)
        table = pq.read_table(files[0])
        folder.write(part, table.drop_columns(["origin"]).replace_schema_metadata(None), files)
        for path in folder.files_of(replace(part, stream="daily")):
            path.unlink()
        if add:
            assert add_up(folder, part)
            (sums_of_day,) = folder.files_of(replace(part, stream="daily"))
            kept = pq.read_table(sums_of_day)
            pq.write_table(kept.drop_columns(["origin"]), sums_of_day)
