"""Bills into the history: every row told or counted, and totals to the millionth."""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrimp.costs import BillShares, split_costs
from scrimp.history import Folder, HistoryError, import_bill, read_pieces
from scrimp.history.hours import Span
from scrimp.model.costs import PARTS, PriceBook
from scrimp.model.usage import MICRO, UsageTable

EVER = Span(0, 4e9)
FOCUS = {
    "BilledCost": "12.5",
    "EffectiveCost": "10.25",
    "BillingCurrency": "USD",
    "ChargePeriodStart": "2026-11-01T10:00:00Z",
    "ChargePeriodEnd": "2026-11-01T11:00:00Z",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "ServiceCategory": "Compute",
    "ResourceId": "i-1",
    "ResourceType": "p4d.24xlarge",
    "PricingCategory": "Dynamic",
    "Tags": '{"team": "audio", "operation": "mel"}',
}
LEGACY = {
    "identity/LineItemId": "x",
    "lineItem/UsageStartDate": "2026-11-01T10:00:00Z",
    "lineItem/UsageEndDate": "2026-11-01T11:00:00Z",
    "lineItem/UnblendedCost": "10.25",
    "lineItem/CurrencyCode": "USD",
    "lineItem/LineItemType": "Usage",
    "lineItem/ProductCode": "AmazonEC2",
    "lineItem/UsageType": "USW2-SpotUsage:p4d.24xlarge",
    "lineItem/ResourceId": "i-1",
    "product/instanceType": "p4d.24xlarge",
    "product/productFamily": "Compute Instance",
    "reservation/EffectiveCost": "",
    "reservation/ReservationARN": "",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "",
    "reservation/UnusedRecurringFee": "",
    "savingsPlan/SavingsPlanEffectiveCost": "",
    "savingsPlan/TotalCommitmentToDate": "",
    "savingsPlan/UsedCommitment": "",
    "resourceTags/user:team": "audio",
    "resourceTags/user:operation": "mel",
}


def cur2(row: Mapping[str, str]) -> dict[str, Any]:
    """The same line as CUR 2.0 has it: names in lower case, tags in a map."""

    def snake(name: str) -> str:
        group, item = name.split("/")
        words = "".join(f"_{one.lower()}" if one.isupper() else one for one in item).removeprefix("_")
        return "".join(f"_{one.lower()}" if one.isupper() else one for one in group) + "_" + words

    tags = {
        f"user_{name.split(':')[1]}": value
        for name, value in row.items()
        if name.startswith("resourceTags") and value
    }
    return {
        **{snake(name): value for name, value in row.items() if "Tags" not in name},
        "resource_tags": tags,
    }


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        plain = pa.Table.from_pylist([{k: v for k, v in row.items() if k != "resource_tags"} for row in rows])
        if "resource_tags" in rows[0]:
            tags = pa.array(
                [list(row["resource_tags"].items()) for row in rows], pa.map_(pa.string(), pa.string())
            )
            plain = plain.append_column("resource_tags", tags)
        pq.write_table(plain, path)
        return path
    into = io.StringIO()
    writer = csv.DictWriter(into, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    data = into.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def opened(root: Path) -> Folder:
    folder = Folder(root / "history")
    folder.open()
    return folder


def usage(folder: Folder) -> list[UsageTable]:
    return [one for path in folder.files("usage") for one in read_pieces(path, EVER)]


def billed(folder: Folder, currency: str = "USD") -> int:
    return sum(int(one.billed_micro[one.currency.is_any([currency])].sum()) for one in usage(folder))


def athena(row: Mapping[str, str]) -> dict[str, Any]:
    """The same line as the legacy report has it in Parquet: names as in CUR 2.0, a column for each tag."""
    tags = {
        f"resource_tags_user_{name.split(':')[1]}": value for name, value in row.items() if "Tags" in name
    }
    plain = cur2(row)
    del plain["resource_tags"]
    return {**plain, **tags}


def costs_of(root: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """What a bill of these rows comes to, by machine and part; parts that are nothing are left out."""
    folder = opened(root)
    import_bill(folder, write(root / "bill.csv", rows))
    found: dict[str, dict[str, int]] = {}
    for table in usage(folder):
        costs = split_costs(table, PriceBook({}), BillShares())
        for part in PARTS:
            for node, micro in zip(table.node.texts(), costs.part(part).tolist(), strict=True):
                mine = found.setdefault(node, {})
                mine[part] = mine.get(part, 0) + micro
    return {
        node: {part: micro for part, micro in parts.items() if micro} for node, parts in sorted(found.items())
    }


@pytest.mark.parametrize(
    ("name", "row", "form"),
    [
        ("bill.csv", FOCUS, "FOCUS"),
        ("bill.csv.gz", FOCUS, "FOCUS"),
        ("bill.parquet", FOCUS, "FOCUS"),
        ("bill.csv", LEGACY, "legacy AWS cost and usage report"),
        ("bill.parquet", athena(LEGACY), "legacy AWS cost and usage report"),
        ("bill.parquet", cur2(LEGACY), "AWS CUR 2.0"),
    ],
)
def test_each_form_gives_the_same_usage(tmp_path: Path, name: str, row: Mapping[str, Any], form: str) -> None:
    folder = opened(tmp_path)
    found = import_bill(folder, write(tmp_path / name, [row]))
    assert (found.form, found.rows, found.bad, found.sums) == (form, 1, 0, {"USD": 10_250_000})
    (table,) = usage(folder)
    assert table.resource.texts() == ["gpu", "gpu"]
    assert set(table.node.texts()) == {"i-1"}
    assert set(table.instance_type.texts()) == {"p4d.24xlarge"}
    assert set(table.purchase_option.texts()) == {"spot"}
    assert set(table.team.texts()) == {"audio"}
    assert sorted(table.operation.texts()) == ["", "mel"]
    costs = split_costs(table, PriceBook({}), BillShares())
    assert int(costs.used_micro.sum()) == 10_250_000


def test_tags_of_cur_2_in_csv(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    row = {**cur2(LEGACY), "resource_tags": '{"user_team":"audio"}'}
    import_bill(folder, write(tmp_path / "bill.csv", [row]))
    assert set(usage(folder)[0].team.texts()) == {"audio"}


@pytest.mark.parametrize(
    ("change", "effective"),
    [
        ({"lineItem/LineItemType": "DiscountedUsage", "reservation/EffectiveCost": "3.5"}, "3.5"),
        (
            {"lineItem/LineItemType": "SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanEffectiveCost": "4"},
            "4",
        ),
        ({"lineItem/LineItemType": "SavingsPlanNegation", "lineItem/UnblendedCost": "-10"}, "0"),
        (
            {
                "lineItem/LineItemType": "SavingsPlanRecurringFee",
                "savingsPlan/TotalCommitmentToDate": "9",
                "savingsPlan/UsedCommitment": "7",
            },
            "2",
        ),
        ({"lineItem/LineItemType": "RIFee", "reservation/UnusedRecurringFee": "1.25"}, "1.25"),
        ({"lineItem/LineItemType": "Fee", "reservation/ReservationARN": "arn"}, "0"),
        ({"lineItem/LineItemType": "Fee"}, "10.25"),
        ({"lineItem/LineItemType": "Credit", "lineItem/UnblendedCost": "-2"}, "-2"),
    ],
)
def test_aws_commitments_are_spread_over_their_use(
    tmp_path: Path, change: Mapping[str, str], effective: str
) -> None:
    """And `billed` is what was invoiced, whatever the line is."""
    path = write(tmp_path / "bill.csv", [{**LEGACY, **change}])
    assert import_bill(opened(tmp_path), path).sums["USD"] == int(Decimal(effective) * MICRO)
    invoiced = Decimal(change.get("lineItem/UnblendedCost", "10.25"))
    assert import_bill(opened(tmp_path / "b"), path, "billed").sums["USD"] == int(invoiced * MICRO)


def test_what_a_charge_of_focus_is_for(tmp_path: Path) -> None:
    """Only an hour of a machine is used; one that a commitment bought for nobody is idle, of the commitment itself."""
    unused = {"CommitmentDiscountStatus": "Unused", "CommitmentDiscountId": "sp-1"}
    cases: dict[str, tuple[dict[str, str], dict[str, int]]] = {
        "plain": ({}, {"used": 10_250_000}),
        "committed": ({**unused, "CommitmentDiscountStatus": "Used"}, {"used": 10_250_000}),
        "unused": (unused, {"pool_idle": 10_250_000}),
        "unused for nothing": ({**unused, "EffectiveCost": "0"}, {}),
        "": ({}, {"used": 10_250_000}),
        "sp-1": ({**unused, "ResourceId": "", "EffectiveCost": "3"}, {"pool_idle": 3_000_000}),
        "refund": ({"ChargeClass": "Correction", "EffectiveCost": "-1"}, {"used": -1_000_000}),
        "credit": ({"ChargeCategory": "Credit", "EffectiveCost": "-1"}, {"overhead": -1_000_000}),
        "tax": ({"ChargeCategory": "Tax"}, {"overhead": 10_250_000}),
        "adjustment": ({"ChargeCategory": "Adjustment"}, {"overhead": 10_250_000}),
        "purchase": ({"ChargeCategory": "Purchase"}, {"overhead": 10_250_000}),
    }
    blank = dict.fromkeys(
        ("ChargeCategory", "ChargeClass", "CommitmentDiscountId", "CommitmentDiscountStatus"), ""
    )
    rows = [{**FOCUS, **blank, "ResourceId": name, **change} for name, (change, _) in cases.items()]
    assert costs_of(tmp_path, rows) == {name: parts for name, (_, parts) in sorted(cases.items())}


def test_what_a_line_of_aws_is_for(tmp_path: Path) -> None:
    fee = {"lineItem/LineItemType": "RIFee", "reservation/UnusedRecurringFee": "1.25"}
    plan = {
        "lineItem/LineItemType": "SavingsPlanRecurringFee",
        "product/instanceType": "",
        "savingsPlan/TotalCommitmentToDate": "9",
        "savingsPlan/UsedCommitment": "7",
    }
    less = {"lineItem/UnblendedCost": "-2"}
    cases: dict[str, tuple[dict[str, str], dict[str, int]]] = {
        "plain": ({}, {"used": 10_250_000}),
        "reserved": (fee, {"pool_idle": 1_250_000}),
        "plan": (plan, {"pool_idle": 2_000_000}),
        "refund": ({"lineItem/LineItemType": "Refund", **less}, {"overhead": -2_000_000}),
        "discount": ({"lineItem/LineItemType": "EdpDiscount", **less}, {"used": -2_000_000}),
    }
    rows = [{**LEGACY, "lineItem/ResourceId": name, **change} for name, (change, _) in cases.items()]
    assert costs_of(tmp_path, rows) == {name: parts for name, (_, parts) in sorted(cases.items())}


def test_what_a_savings_plan_pays_for_is_reserved_and_an_hour_of_one_machine(tmp_path: Path) -> None:
    """Its negation stands beside it, of the same machine and hour."""
    line = {**LEGACY, "lineItem/UsageType": "BoxUsage:p4d.24xlarge"}
    covered = {
        "lineItem/LineItemType": "SavingsPlanCoveredUsage",
        "savingsPlan/SavingsPlanEffectiveCost": "4",
    }
    negation = {"lineItem/LineItemType": "SavingsPlanNegation", "lineItem/UnblendedCost": "-10.25"}
    folder = opened(tmp_path)
    import_bill(folder, write(tmp_path / "bill.csv", [{**line, **covered}, {**line, **negation}]))
    (table,) = usage(folder)
    costs = split_costs(table, PriceBook({}), BillShares())
    by_option = dict.fromkeys(table.purchase_option.texts(), 0)
    for option, micro in zip(table.purchase_option.texts(), costs.cost_micro().tolist(), strict=True):
        by_option[option] += micro
    assert by_option == {"reserved": 4_000_000}
    assert float(table.capacity.sum()) == 1.0


def test_which_machine_a_charge_of_focus_is_of(tmp_path: Path) -> None:
    """FOCUS has no column for it: providers say it in the details of the price, or in the name of what is metered."""
    cases = {
        ("g5.xlarge", "gpu"): {"SkuPriceDetails": '{"InstanceType": "g5.xlarge"}'},
        ("Standard_NC24", "gpu"): {"SkuPriceDetails": '{"InstanceType": "Standard_NC24", "GpuCount": 4}'},
        ("Standard_D4", "cpu"): {"SkuPriceDetails": '{"InstanceType": "Standard_D4", "GpuCount": 0}'},
        ("cut", "cpu"): {"SkuPriceDetails": "{cut", "ResourceType": "cut"},
        ("p4d.24xlarge", "gpu"): {"SkuMeter": "USW2-BoxUsage:p4d.24xlarge"},
        ("c6i.large", "cpu"): {"x_UsageType": "SpotUsage:c6i.large"},
        ("Instance", "cpu"): {"x_UsageType": "EBS:VolumeUsage.gp3"},
    }
    blank = {"ResourceType": "Instance", "SkuPriceDetails": "", "SkuMeter": "", "x_UsageType": ""}
    folder = opened(tmp_path)
    rows = [{**FOCUS, **blank, "ResourceId": kind, **change} for (kind, _), change in cases.items()]
    import_bill(folder, write(tmp_path / "bill.csv", rows))
    (table,) = usage(folder)
    found = zip(table.node.texts(), table.instance_type.texts(), table.resource.texts(), strict=True)
    assert set(found) == {(kind, kind, resource) for kind, resource in cases}


def test_a_cost_beyond_all_bills_is_a_bad_row(tmp_path: Path) -> None:
    """It would not fit the sums, and then no report could be made at all."""
    folder = opened(tmp_path)
    path = write(tmp_path / "bill.csv", [FOCUS, {**FOCUS, "EffectiveCost": "1e15"}])
    found = import_bill(folder, path)
    assert [one.message for one in found.findings] == ["bill.csv:3: its cost `1e15` is too large"]
    assert billed(folder) == 10_250_000


def test_a_bill_that_lacks_one_column_is_told_which(tmp_path: Path) -> None:
    path = write(tmp_path / "bill.csv", [{k: v for k, v in FOCUS.items() if k != "EffectiveCost"}])
    with pytest.raises(HistoryError, match="has no column `EffectiveCost`"):
        import_bill(opened(tmp_path), path)


def test_bad_rows_are_told_with_their_line_and_counted(tmp_path: Path) -> None:
    """A text over two lines moves what follows; the line is still right."""
    path = write(
        tmp_path / "bill.csv",
        [
            {**FOCUS, "ServiceName": "a\nb"},
            {**FOCUS, "EffectiveCost": "much"},
            {**FOCUS, "ChargePeriodStart": ""},
            {**FOCUS, "ChargePeriodEnd": "2026-11-01T09:00:00Z"},
            {**FOCUS, "BillingCurrency": "$"},
        ],
    )
    with path.open("a") as file:
        file.write("one,two\n")
    folder = opened(tmp_path)
    found = import_bill(folder, path)
    assert (found.rows, found.bad) == (1, 5)
    assert [one.message.partition(": ")[0] for one in found.findings] == [
        f"bill.csv:{n}" for n in (4, 5, 6, 7, 8)
    ]
    assert found.sums["USD"] + found.bad_micro == 4 * 10_250_000
    assert billed(folder) == 10_250_000


def test_under_strict_a_bad_row_imports_nothing(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    with pytest.raises(HistoryError) as caught:
        import_bill(
            folder, write(tmp_path / "bill.csv", [FOCUS, {**FOCUS, "EffectiveCost": "x"}]), strict=True
        )
    assert caught.value.code == "SCR809"
    assert usage(folder) == []


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"PAR1 and no more", b"ChargePeriodStart\n"]
)
def test_what_is_no_bill_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(data)
    with pytest.raises(HistoryError) as caught:
        import_bill(opened(tmp_path), path)
    assert caught.value.code == "SCR808"


def test_a_file_imported_again_changes_nothing_and_another_adds(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    one = write(
        tmp_path / "one.csv",
        [
            FOCUS,
            {**FOCUS, "ChargePeriodStart": "2026-11-03T10:00:00Z", "ChargePeriodEnd": "2026-11-04T10:00:00Z"},
        ],
    )
    other = write(tmp_path / "other.csv", [{**FOCUS, "ResourceId": "i-2"}])
    for path in (one, other, one, other):
        import_bill(folder, path)
    assert billed(folder) == 3 * 10_250_000


def test_the_same_bill_in_another_format_is_told(tmp_path: Path) -> None:
    """AWS gives a month as a cost and usage report and in FOCUS; with both of them it would cost twice as much."""
    folder = opened(tmp_path)
    assert import_bill(folder, write(tmp_path / "cur.csv", [LEGACY])).doubled == (0, 0)
    rows = [FOCUS, {**FOCUS, "ResourceId": "i-2"}]
    assert import_bill(folder, write(tmp_path / "focus.csv", rows)).doubled == (1, 10_250_000)


TIMES = st.integers(0, 3000).map(lambda hour: 1_790_000_000 // 3600 * 3600 + hour * 3600)
LINES = st.lists(
    st.tuples(
        TIMES,
        st.sampled_from([1, 24, 30, 720]),
        st.decimals(-1000, 1000, places=9),
        st.sampled_from(["USD", "EUR"]),
        st.sampled_from(["Compute", "Storage", "Other"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
def test_the_total_is_that_of_the_file(tmp_path_factory, lines) -> None:
    """Rounded once, whatever the costs and however many days each is spread over."""
    root = tmp_path_factory.mktemp("bill")

    def iso(at: int) -> str:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    rows = [
        {
            **FOCUS,
            "ChargePeriodStart": iso(at),
            "ChargePeriodEnd": iso(at + hours * 3600),
            "EffectiveCost": str(cost),
            "BillingCurrency": currency,
            "ServiceCategory": category,
        }
        for at, hours, cost, currency, category in lines
    ]
    folder = opened(root)
    import_bill(folder, write(root / "bill.csv", rows))
    for currency in ("USD", "EUR"):
        total = sum((cost for _, _, cost, one, _ in lines if one == currency), Decimal())
        assert abs(billed(folder, currency) - total * MICRO) <= Decimal("0.5")
