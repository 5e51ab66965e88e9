"""Costs as FOCUS rows, in CSV or Parquet: one row per day, charge or allocation, and resource. Its sum is the report.

What was measured here is a charge of category Usage (Credit where it is negative). What was imported is what its bill said
that it is, by the columns `CARRIED`. One price is known of each, so its billed, contracted, effective and list cost are the
same, and its quantity is in unit-hours. Columns of scrimp's own begin with `x_`. No unit prices are given: a bill is split
by value, not by list price.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pcc
import pyarrow.csv as pc
import pyarrow.parquet as pq

from scrimp.history.files import guarded, whole_file
from scrimp.history.focus_columns import ALLOCATED, CARRIED, FocusColumn, Version, columns_of
from scrimp.model.costs import PARTS, CostGroups
from scrimp.model.usage import CPU, GPU, MEMORY, NODE, RESERVED, SPOT, STORAGE, Period

FOCUS_BY: Final = (
    *("node", "resource", "job", "operation", "team", "pool", "policy", "instance_type"),
    *("purchase_option", "origin"),
)
"""The dimensions that rows are grouped by."""
METHOD: Final = "scrimp-split-1"
_METHOD_DETAILS: Final = json.dumps(
    {"used": "by measured use", "workload_idle": "given and not used", "pool_idle": "not allocated"}
)
_WRITTEN: Final = (
    *("AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType"),
    *("BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity"),
    *(
        "ConsumedUnit",
        "ContractedCost",
        "EffectiveCost",
        "HostProviderName",
        "InvoiceId",
        "InvoiceIssuerName",
    ),
    *("ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName"),
    *("ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceProviderName"),
    *("ServiceSubcategory", "SubAccountId", "SubAccountName", "SubAccountType", "Tags"),
)
_IMPORTED: Final = (
    *("CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountCategory"),
    *("CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType"),
    *("RegionId", "RegionName", "SkuId", "SkuMeter", "SkuPriceId"),
)
"""Columns that only bills can fill."""
_OWN: Final = {
    "x_Job": pa.string(),
    "x_Operation": pa.string(),
    "x_Pool": pa.string(),
    "x_Policy": pa.string(),
    **{f"x_{name.title().replace('_', '')}Cost": pa.decimal128(38, 6) for name in PARTS},
}
_SERVICES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    GPU: ("Compute", "GPU", "Other (Compute)", "GPU-Hours"),
    CPU: ("Compute", "CPU", "Other (Compute)", "Core-Hours"),
    MEMORY: ("Compute", "Memory", "Other (Compute)", "GiB-Hours"),
    NODE: ("Compute", "Machine", "Virtual Machines", "Hours"),
    STORAGE: ("Storage", "Storage", "Other (Storage)", "GiB-Hours"),
}
_PROVIDERS: Final = (
    *("ProviderName", "PublisherName", "InvoiceIssuerName", "HostProviderName", "ServiceProviderName"),
)
_OTHER: Final = ("Other", "Other", "Other (Other)", "Hours")
_PRICING: Final = {"on_demand": "Standard", SPOT: "Dynamic", RESERVED: "Committed"}
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "string": pa.string(),
    "json": pa.string(),
    "datetime": pa.timestamp("ms", "UTC"),
}


@dataclass(frozen=True, slots=True)
class FocusSettings:
    """What a row says of its origin, if no bill does. `imported` adds the columns that only bills fill, `allocated` those of
    split costs that 1.3 introduced.
    """

    version: Version = "1.2"
    account: str = "scrimp"
    provider: str = "scrimp"
    allocated: bool = False
    imported: bool = False


def focus_schema(settings: FocusSettings) -> pa.Schema:
    """The columns that are written, in the specification's order, scrimp's own last."""
    known = columns_of(settings.version)
    extra = columns_of("1.3") if settings.allocated else {}
    names = [
        name
        for name in sorted({*known, *(one for one in ALLOCATED if one in extra)})
        if _is_written(name, settings)
    ]
    fields = [_field({**extra, **known}[name]) for name in names]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in _OWN.items())])


def _is_written(name: str, settings: FocusSettings) -> bool:
    return (
        name in _WRITTEN
        or (settings.allocated and name in ALLOCATED)
        or (settings.imported and name in _IMPORTED)
    )


def _field(column: FocusColumn) -> pa.Field:
    decimal = pa.decimal128(38, 6)
    return pa.field(column.name, _TYPES.get(column.kind, decimal), nullable=column.nullable)


def write_focus(
    path: Path, days: Iterable[tuple[Period, CostGroups]], settings: FocusSettings
) -> dict[str, int]:
    """Write `path` (Parquet if its name ends so, else CSV); the groups are by `FOCUS_BY`. Gives the sums in millionths.

    Raises `HistoryError` where it cannot be written; then `path` is as it was.
    """
    schema = focus_schema(settings)
    sums: dict[str, int] = {}
    with guarded(f"write {path.name}"), whole_file(path) as hidden:
        writer = (
            pq.ParquetWriter(hidden, schema, compression="zstd")
            if path.suffix == ".parquet"
            else pc.CSVWriter(hidden, _csv_schema(schema))
        )
        with writer:
            for day, groups in days:
                rows = list(focus_rows(day, groups, settings, schema))
                for key, cost in zip(groups.keys, groups.cost_micro().tolist(), strict=True):
                    sums[key[-1]] = sums.get(key[-1], 0) + cost
                if rows:
                    table = pa.Table.from_pylist(rows, schema)
                    writer.write_table(table if path.suffix == ".parquet" else _csv_table(table))
    return sums


def focus_rows(
    day: Period, groups: CostGroups, settings: FocusSettings, schema: pa.Schema
) -> Iterator[dict[str, Any]]:
    """The rows of one charge period. Rows without cost and without quantity say nothing, and are left out."""
    given: dict[tuple[str, str, str], float] = {}
    for at, key in enumerate(groups.keys):
        of = (key[0], key[1], key[-1])
        given[of] = given.get(of, 0.0) + float(groups.allocated[at])
    start = datetime.fromtimestamp(day.start_s, UTC)
    month = start.replace(day=1, hour=0, minute=0, second=0)
    shared = {
        "BillingAccountId": settings.account,
        "BillingAccountType": "Account",
        "BillingPeriodStart": month,
        "BillingPeriodEnd": (month + timedelta(days=31)).replace(day=1),
        "ChargePeriodStart": start,
        "ChargePeriodEnd": datetime.fromtimestamp(day.end_s, UTC),
        "ChargeFrequency": "Usage-Based",
        "AllocatedMethodDetails": _METHOD_DETAILS,
    }
    place = groups.by.index("origin")
    origins = {text: _carried(text, settings.provider) for text in {key[place] for key in groups.keys}}
    for at, key in enumerate(groups.keys):
        row = _row(groups, at, dict(zip(groups.by, key, strict=True)), given)
        if row is not None:
            row |= {**shared, **origins[key[place]]}
            _obey(row)
            yield {name: row.get(name) for name in schema.names}


def _carried(origin: str, provider: str) -> dict[str, Any]:
    """What a bill said of a charge; without one, and where it does not say, `provider` sold it, made it and invoices it."""
    said = {name: text for name, text in json.loads(origin or "{}").items() if name in CARRIED and text}
    for name in ("BillingPeriodStart", "BillingPeriodEnd"):
        if name in said:
            try:
                at = datetime.fromisoformat(said.pop(name))
            except ValueError:  # then it is the month of the charge
                continue
            said[name] = at if at.tzinfo else at.replace(tzinfo=UTC)
    if "ServiceCategory" in said:
        said = {"ServiceSubcategory": f"Other ({said['ServiceCategory']})", **said}
    if "SubAccountId" in said:
        said = {"SubAccountName": None, "SubAccountType": "Account", **said}
    # 1.3 has the second for the first.
    sold_by = said.get("ProviderName") or said.get("ServiceProviderName", provider)
    return {**dict.fromkeys(_PROVIDERS, sold_by), **said}


def _obey(row: dict[str, Any]) -> None:
    """Leave out what the specification wants to be null: quantities of a tax, and consumption of all but used usage."""
    if row["ChargeCategory"] == "Tax":
        row |= dict.fromkeys(("PricingQuantity", "PricingUnit", "PricingCategory"))
    if row["ChargeCategory"] != "Usage" or row.get("CommitmentDiscountStatus") == "Unused":
        row |= dict.fromkeys(("ConsumedQuantity", "ConsumedUnit"))


def _row(
    groups: CostGroups, at: int, key: Mapping[str, str], given: Mapping[tuple[str, str, str], float]
) -> dict[str, Any] | None:
    parts = {name: int(groups.part(name)[at]) for name in PARTS}
    cost = sum(parts.values())
    job, node, resource = key["job"], key["node"], key["resource"]
    idle = float(groups.capacity[at]) - given.get((node, resource, key["currency"]), 0.0)
    quantity = float(groups.allocated[at]) if job else max(idle, 0.0)
    if cost == 0 and quantity == 0:
        return None
    category, service, subcategory, unit = _SERVICES.get(resource, _OTHER)
    if key["origin"]:  # of a bill the time is known, not how much of the resource it was
        unit = "Hours"
    said = f"{service} of {node or 'no machine'}, {f'given to {job}' if job else 'idle or overhead'}"
    tags = {name: key[name] for name in ("team", "operation") if key[name]}
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), _decimal(cost)),
        "BillingCurrency": key["currency"],
        "ChargeCategory": "Credit" if cost < 0 else "Usage",
        "ChargeDescription": said,
        "ConsumedQuantity": _quantity(float(groups.used[at]) if job else 0.0),
        "ConsumedUnit": unit,
        "PricingCategory": _PRICING.get(key["purchase_option"], "Other"),
        "PricingQuantity": _quantity(quantity),
        "PricingUnit": unit,
        "ResourceId": node or None,
        "ResourceName": node or None,
        "ResourceType": (key["instance_type"] or service) if node else None,
        "ServiceCategory": category,
        "ServiceName": service,
        "ServiceSubcategory": subcategory,
        "SubAccountId": key["team"] or None,
        "SubAccountName": key["team"] or None,
        "SubAccountType": "Team" if key["team"] else None,
        "Tags": json.dumps(tags, sort_keys=True),
        "AllocatedMethodId": METHOD if job else None,
        "AllocatedResourceId": job or None,
        "AllocatedResourceName": job or None,
        "AllocatedTags": json.dumps(tags, sort_keys=True) if job else None,
        "x_Job": job or None,
        "x_Operation": key["operation"] or None,
        "x_Pool": key["pool"] or None,
        "x_Policy": key["policy"] or None,
        **{f"x_{name.title().replace('_', '')}Cost": _decimal(micro) for name, micro in parts.items()},
    }


def _decimal(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6)


def _quantity(value: float) -> Decimal:
    return Decimal(round(value * 1_000_000)).scaleb(-6)


def _csv_schema(schema: pa.Schema) -> pa.Schema:
    """Times are texts in a CSV, as the specification writes them."""
    return pa.schema(
        [field.with_type(pa.string()) if pa.types.is_timestamp(field.type) else field for field in schema]
    )


def _csv_table(table: pa.Table) -> pa.Table:
    columns = [
        pcc.strftime(column.cast(pa.timestamp("s", "UTC")), format="%Y-%m-%dT%H:%M:%SZ", locale="C")
        if pa.types.is_timestamp(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, schema=_csv_schema(table.schema))
