"""The columns of FOCUS, the FinOps Open Cost and Usage Specification, in one table: cost and usage data set, 1.0 to 1.3.

Source: the column table of the data set `CostAndUsage` in the specification's 1.2 (57 columns, 21 of them mandatory) and
1.3, and the section *Introduced (version)* of each column.
"""

from dataclasses import dataclass
from typing import Final, Literal

Version = Literal["1.0", "1.1", "1.2", "1.3"]
VERSIONS: Final[tuple[Version, ...]] = ("1.0", "1.1", "1.2", "1.3")
Level = Literal["mandatory", "recommended", "conditional"]
Kind = Literal["decimal", "string", "datetime", "json"]

CHARGE_CATEGORIES: Final = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
SERVICE_CATEGORIES: Final = (
    *(
        "AI and Machine Learning",
        "Analytics",
        "Business Applications",
        "Compute",
        "Databases",
        "Developer Tools",
    ),
    *("Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media"),
    *("Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other"),
)


@dataclass(frozen=True, slots=True)
class FocusColumn:
    """One column; `values` are those allowed, none where any is. `since` is the version that introduced it."""

    name: str
    kind: Kind
    level: Level
    nullable: bool
    since: Version = "1.0"
    values: tuple[str, ...] = ()


def _many(
    names: str, kind: Kind, level: Level, since: Version = "1.0", *, nullable: bool = True
) -> tuple[FocusColumn, ...]:
    return tuple(FocusColumn(name, kind, level, nullable, since) for name in names.split())


COLUMNS: Final[tuple[FocusColumn, ...]] = tuple(
    sorted(
        (
            *_many(
                "BilledCost ContractedCost EffectiveCost ListCost", "decimal", "mandatory", nullable=False
            ),
            *_many(
                "BillingAccountId BillingCurrency InvoiceIssuerName", "string", "mandatory", nullable=False
            ),
            *_many("ProviderName PublisherName ServiceName", "string", "mandatory", nullable=False),
            *_many("BillingPeriodStart BillingPeriodEnd", "datetime", "mandatory", nullable=False),
            *_many("ChargePeriodStart ChargePeriodEnd", "datetime", "mandatory", nullable=False),
            *_many("BillingAccountName ChargeDescription PricingUnit", "string", "mandatory"),
            *_many("PricingQuantity", "decimal", "mandatory"),
            FocusColumn("ChargeCategory", "string", "mandatory", nullable=False, values=CHARGE_CATEGORIES),
            FocusColumn("ChargeClass", "string", "mandatory", nullable=True, values=("Correction",)),
            FocusColumn("ServiceCategory", "string", "mandatory", nullable=False, values=SERVICE_CATEGORIES),
            *_many("AvailabilityZone", "string", "recommended"),
            FocusColumn(
                *("ChargeFrequency", "string", "recommended"),
                nullable=False,
                values=("One-Time", "Recurring", "Usage-Based"),
            ),
            *_many("InvoiceId", "string", "recommended", "1.2"),
            *_many("ServiceSubcategory", "string", "recommended", "1.1", nullable=False),
            *_many("BillingAccountType", "string", "conditional", "1.2", nullable=False),
            *_many("CapacityReservationId", "string", "conditional", "1.1"),
            FocusColumn(
                *("CapacityReservationStatus", "string", "conditional"),
                nullable=True,
                since="1.1",
                values=("Used", "Unused"),
            ),
            FocusColumn(
                *("CommitmentDiscountCategory", "string", "conditional"),
                nullable=True,
                values=("Spend", "Usage"),
            ),
            FocusColumn(
                *("CommitmentDiscountStatus", "string", "conditional"),
                nullable=True,
                values=("Used", "Unused"),
            ),
            *_many(
                "CommitmentDiscountId CommitmentDiscountName CommitmentDiscountType", "string", "conditional"
            ),
            *_many("CommitmentDiscountQuantity", "decimal", "conditional", "1.1"),
            *_many("CommitmentDiscountUnit", "string", "conditional", "1.1"),
            *_many("ConsumedQuantity ContractedUnitPrice ListUnitPrice", "decimal", "conditional"),
            *_many("ConsumedUnit RegionId RegionName ResourceId ResourceName", "string", "conditional"),
            *_many("ResourceType SkuId SkuPriceId SubAccountId SubAccountName", "string", "conditional"),
            FocusColumn(
                *("PricingCategory", "string", "conditional"),
                nullable=True,
                values=("Standard", "Dynamic", "Committed", "Other"),
            ),
            *_many("PricingCurrency SubAccountType", "string", "conditional", "1.2"),
            *_many("PricingCurrencyContractedUnitPrice", "decimal", "conditional", "1.2"),
            *_many(
                "PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice", "decimal", "conditional", "1.2"
            ),
            *_many("SkuMeter", "string", "conditional", "1.1"),
            *_many("SkuPriceDetails", "json", "conditional", "1.1"),
            *_many("Tags", "json", "conditional"),
            *_many("HostProviderName ServiceProviderName", "string", "mandatory", "1.3", nullable=False),
            *_many("AllocatedMethodDetails", "json", "recommended", "1.3"),
            *_many(
                "AllocatedMethodId AllocatedResourceId AllocatedResourceName", "string", "conditional", "1.3"
            ),
            *_many("AllocatedTags ContractApplied", "json", "conditional", "1.3"),
        ),
        key=lambda one: one.name,
    )
)
ALLOCATED: Final = (
    *("AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName"),
    "AllocatedTags",
)
"""The columns of split costs, from 1.3."""

CARRIED: Final = (
    *("ProviderName", "PublisherName", "InvoiceIssuerName", "HostProviderName", "ServiceProviderName"),
    *("BillingAccountId", "BillingAccountName", "BillingAccountType", "InvoiceId"),
    *("BillingPeriodStart", "BillingPeriodEnd", "SubAccountId", "SubAccountName", "SubAccountType"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "PricingCategory"),
    *("ServiceCategory", "ServiceSubcategory", "ServiceName", "Tags", "AvailabilityZone"),
    *("RegionId", "RegionName", "SkuId", "SkuPriceId", "SkuMeter"),
    *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName"),
    *("CommitmentDiscountStatus", "CommitmentDiscountType"),
    *("CapacityReservationId", "CapacityReservationStatus"),
)
"""What an import keeps of a charge beside its machine, time and cost, as its bill says it; the `origin` of a row of usage."""


def columns_of(version: Version) -> dict[str, FocusColumn]:
    """The columns that a version has, by name."""
    upto = VERSIONS.index(version)
    return {one.name: one for one in COLUMNS if VERSIONS.index(one.since) <= upto}
