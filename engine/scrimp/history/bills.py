"""What the columns of a bill mean: FOCUS 1.0 to 1.3, the legacy AWS cost and usage report, and CUR 2.0.

A `Form` maps a file's columns to the few that usage is made of, as SQL over texts. Costs are effective (amortised: what a
commitment bought is spread over its use) or billed (as invoiced).

What a commitment bought and nobody used is idle: the machine was paid for. Tax, credits and fees buy no machine.

Sources: the FOCUS specification's columns, and its keys of `SkuPriceDetails`; the AWS data dictionaries of the legacy report
and of `COST_AND_USAGE_REPORT` (CUR 2.0), and for their names in FOCUS the rules of the FinOps Foundation's converters; for
amortised AWS costs the rule by line item type of the AWS Well-Architected cost dashboards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scrimp.history.focus_columns import CARRIED
from scrimp.history.query import named, quoted

Source = Literal["focus", "cur"]
Basis = Literal["effective", "billed"]

_BILLED_TYPE = r":([a-z][a-z0-9-]*\.[a-z0-9-]+)$"  # of AWS usage types, such as `USW2-BoxUsage:g5.xlarge`
_TAG_COLUMN = "resource_tags_user_"
_GPU_TYPE = r"(^|[^a-z0-9])(p[2-9][a-z]*|g[2-9][a-z]*|gr[0-9]+|trn[0-9]+[a-z]*)\.[0-9a-z]+"


@dataclass(frozen=True, slots=True)
class Form:
    """How to read one file. Each text but `source` is an SQL expression that gives a text, `start` and `end` RFC 3339.

    `idle` gives whether a charge is for what was bought and nobody used.
    """

    source: Source
    name: str
    start: str
    end: str
    cost: str
    currency: str
    node: str
    instance_type: str
    purchase_option: str
    resource: str
    labels: str
    origin: str
    idle: str
    job: str = "''"
    operation: str = "''"


def form_of(columns: Sequence[str], basis: Basis) -> Form | None:
    """The form of a file with these columns, by the column that only it has; `None` for no bill that is known."""
    there = set(columns)
    if {"ChargePeriodStart", "ChargePeriodEnd"} <= there and _focus_cost(basis) in there:
        return _focus(there, basis)
    if "lineItem/UsageStartDate" in there:
        return _cur(there, basis, "legacy AWS cost and usage report")
    if "line_item_usage_start_date" in there:
        # The legacy report in Parquet has CUR 2.0's names, but a column for each tag and product attribute.
        legacy = "resource_tags" not in there and any(one.startswith(_TAG_COLUMN) for one in there)
        return _cur(there, basis, "legacy AWS cost and usage report" if legacy else "AWS CUR 2.0")
    return None


def lacking(columns: Sequence[str], basis: Basis) -> str:
    """The one column that a file lacks to be a FOCUS bill; "" where it is nothing like one."""
    needed = ("ChargePeriodStart", "ChargePeriodEnd", _focus_cost(basis))
    missing = [one for one in needed if one not in columns]
    return missing[0] if len(missing) == 1 else ""


def _focus_cost(basis: Basis) -> str:
    return "EffectiveCost" if basis == "effective" else "BilledCost"


def _focus(there: set[str], basis: Basis) -> Form:
    def text(name: str) -> str:
        return f"coalesce({named(name)}, '')" if name in there else "''"

    def detail(name: str) -> str:
        """What the price is of, by the specification's keys."""
        details = text("SkuPriceDetails")
        return f"CASE WHEN json_valid({details}) THEN json_extract_string({details}, '$.{name}') END"

    service = text("ServiceName")
    billed_types = (
        f"nullif(regexp_extract({text(name)}, {quoted(_BILLED_TYPE)}, 1), '')"
        for name in ("SkuMeter", "x_UsageType")
    )
    kind = f"coalesce({detail('InstanceType')}, {', '.join(billed_types)}, {text('ResourceType')})"
    gpus = f"coalesce(TRY_CAST({detail('GpuCount')} AS DOUBLE), 0) > 0"
    resource = f"""CASE
      WHEN lower({service}) IN ('gpu', 'cpu', 'memory', 'storage') THEN lower({service})
      WHEN {text("ChargeCategory")} IN ('Tax', 'Credit', 'Adjustment', 'Purchase') THEN 'other'
      WHEN {text("ServiceCategory")} = 'Storage' THEN 'storage'
      WHEN {text("ServiceCategory")} IN ('Compute', 'AI and Machine Learning')
        THEN CASE WHEN {gpus} OR regexp_matches(lower({kind}), {quoted(_GPU_TYPE)}) THEN 'gpu' ELSE 'cpu' END
      ELSE 'other' END"""
    idle = f"{text('CommitmentDiscountStatus')} = 'Unused'"
    option = f"""CASE {text("PricingCategory")} WHEN 'Standard' THEN 'on_demand' WHEN 'Dynamic' THEN 'spot'
      WHEN 'Committed' THEN 'reserved' ELSE '' END"""
    return Form(
        *("focus", "FOCUS", text("ChargePeriodStart"), text("ChargePeriodEnd"), text(_focus_cost(basis))),
        currency=text("BillingCurrency"),
        node=f"CASE WHEN {idle} AND {text('ResourceId')} = '' THEN {text('CommitmentDiscountId')} ELSE {text('ResourceId')} END",
        instance_type=kind,
        purchase_option=option,
        resource=resource,
        labels=text("Tags"),
        origin=_origin({name: text(name) for name in CARRIED if name in there}),
        idle=idle,
        job=text("x_Job"),
        operation=text("x_Operation"),
    )


def _cur(there: set[str], basis: Basis, name: str) -> Form:
    legacy = "lineItem/UsageStartDate" in there

    def column(group: str, item: str) -> str:
        """A column by the legacy report's two words, such as `lineItem` and `UsageAmount`; nothing where it is not."""
        full = f"{group}/{item}" if legacy else f"{_snake(group)}_{_snake(item)}"
        return f"coalesce({named(full)}, '')" if full in there else "''"

    kind = column("lineItem", "LineItemType")
    usage, product = column("lineItem", "UsageType"), column("lineItem", "ProductCode")
    instance, family = column("product", "instanceType"), column("product", "productFamily")
    option = f"""CASE WHEN {usage} LIKE '%SpotUsage%' THEN 'spot'
      WHEN {kind} IN ('DiscountedUsage', 'SavingsPlanCoveredUsage', 'SavingsPlanNegation', 'RIFee', 'SavingsPlanRecurringFee')
        THEN 'reserved'
      WHEN {instance} <> '' THEN 'on_demand' ELSE '' END"""
    amortised = basis == "effective"
    fees = ("Tax", "Credit", "Refund", "Fee", "SavingsPlanUpfrontFee", "SavingsPlanNegation")
    commitments = ("RIFee", "SavingsPlanRecurringFee")
    idle = f"{kind} IN {commitments}" if amortised else "false"
    resource = f"""CASE
      WHEN {kind} IN {fees if amortised else (*fees, *commitments)} THEN 'other'
      WHEN {kind} = 'SavingsPlanRecurringFee' AND {instance} = '' THEN 'cpu'
      WHEN {instance} <> '' THEN CASE WHEN regexp_matches(lower({instance}), {quoted(_GPU_TYPE)}) THEN 'gpu' ELSE 'cpu' END
      WHEN {family} LIKE '%Storage%' OR {usage} LIKE '%EBS:%' OR {product} = 'AmazonS3' THEN 'storage'
      ELSE 'other' END"""
    cost = column("lineItem", "UnblendedCost")
    if amortised:
        cost = _amortised(column, kind, cost)
    return Form(
        *("cur", name, column("lineItem", "UsageStartDate"), column("lineItem", "UsageEndDate"), cost),
        currency=column("lineItem", "CurrencyCode"),
        node=column("lineItem", "ResourceId"),
        instance_type=instance,
        purchase_option=option,
        resource=resource,
        labels=_tags(there),
        origin=_origin(_aws_origin(column, kind, _tags(there))),
        idle=idle,
    )


def _aws_origin(column: Callable[[str, str], str], kind: str, tags: str) -> dict[str, str]:
    """What FOCUS calls the columns of an AWS report. A refund does not say of what it is one: an adjustment."""
    product = f"coalesce(nullif({column('product', 'ProductName')}, ''), {column('lineItem', 'ProductCode')})"
    return {
        "ProviderName": "'AWS'",
        "PublisherName": column("lineItem", "LegalEntity"),
        "InvoiceIssuerName": column("bill", "InvoicingEntity"),
        "InvoiceId": column("bill", "InvoiceId"),
        "BillingAccountId": column("bill", "PayerAccountId"),
        "BillingAccountName": column("bill", "PayerAccountName"),
        "BillingPeriodStart": column("bill", "BillingPeriodStartDate"),
        "BillingPeriodEnd": column("bill", "BillingPeriodEndDate"),
        "SubAccountId": column("lineItem", "UsageAccountId"),
        "SubAccountName": column("lineItem", "UsageAccountName"),
        "ChargeCategory": f"""CASE {kind} WHEN 'Tax' THEN 'Tax' WHEN 'Credit' THEN 'Credit' WHEN 'Refund' THEN 'Adjustment'
          WHEN 'Fee' THEN 'Purchase' WHEN 'RIFee' THEN 'Purchase' WHEN 'SavingsPlanUpfrontFee' THEN 'Purchase'
          WHEN 'SavingsPlanRecurringFee' THEN 'Purchase' ELSE 'Usage' END""",
        "ChargeFrequency": f"""CASE {kind} WHEN 'RIFee' THEN 'Recurring' WHEN 'SavingsPlanRecurringFee' THEN 'Recurring'
          WHEN 'Fee' THEN 'One-Time' WHEN 'SavingsPlanUpfrontFee' THEN 'One-Time' ELSE 'Usage-Based' END""",
        "ChargeDescription": column("lineItem", "LineItemDescription"),
        "ServiceName": product,
        "SkuId": column("product", "sku"),
        "RegionId": f"coalesce(nullif({column('product', 'regionCode')}, ''), {column('product', 'region')})",
        "AvailabilityZone": column("lineItem", "AvailabilityZone"),
        "Tags": tags,
    }


def _origin(columns: Mapping[str, str]) -> str:
    """A JSON text of what these texts say, under the names of FOCUS."""
    if "Tags" in columns:  # what is no JSON is no tags
        columns = {**columns, "Tags": f"CASE WHEN json_valid({columns['Tags']}) THEN {columns['Tags']} END"}
    pairs = ", ".join(f"{quoted(name)}, nullif({text}, '')" for name, text in columns.items())
    return f"CAST(json_object({pairs}) AS VARCHAR)" if pairs else "''"


def _amortised(column: Callable[[str, str], str], kind: str, plain: str) -> str:
    def number(group: str, item: str) -> str:
        return f"TRY_CAST(nullif({column(group, item)}, '') AS DECIMAL(38, 12))"

    def sum_of(*parts: str) -> str:
        return f"CAST({' + '.join(f'coalesce({one}, 0)' for one in parts)} AS VARCHAR)"

    commitment = number("savingsPlan", "TotalCommitmentToDate")
    used = number("savingsPlan", "UsedCommitment")
    idle = (
        number("reservation", "UnusedAmortizedUpfrontFeeForBillingPeriod"),
        number("reservation", "UnusedRecurringFee"),
    )
    return f"""CASE {kind}
      WHEN 'SavingsPlanCoveredUsage' THEN {column("savingsPlan", "SavingsPlanEffectiveCost")}
      WHEN 'SavingsPlanRecurringFee' THEN {sum_of(commitment, f"-{used}")}
      WHEN 'SavingsPlanNegation' THEN '0' WHEN 'SavingsPlanUpfrontFee' THEN '0'
      WHEN 'DiscountedUsage' THEN {column("reservation", "EffectiveCost")}
      WHEN 'RIFee' THEN {sum_of(*idle)}
      WHEN 'Fee' THEN CASE WHEN {column("reservation", "ReservationARN")} <> '' THEN '0' ELSE {plain} END
      ELSE {plain} END"""


def _tags(there: set[str]) -> str:
    """Tags as a JSON text, without AWS's mark of who made them (`user:` or `user_`)."""
    if "resource_tags" in there:
        return "regexp_replace(coalesce(resource_tags, ''), '\"user_', '\"', 'g')"
    marks = ("resourceTags/user:", _TAG_COLUMN)
    names = {one.removeprefix(mark): one for mark in marks for one in sorted(there) if one.startswith(mark)}
    if not names:
        return "''"
    pairs = ", ".join(f"{quoted(tag)}, nullif({named(one)}, '')" for tag, one in names.items())
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _snake(word: str) -> str:
    """`UsageStartDate` as `usage_start_date`, `ReservationARN` as `reservation_a_r_n`, as AWS does it."""
    found = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)
    return found.removeprefix("_")
