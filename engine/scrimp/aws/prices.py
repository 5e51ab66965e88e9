"""What instance types cost: on demand from the Pricing API or a shipped table, on spot from the price history.

A spot price stands in the history as the moment from which it holds; DescribeSpotPriceHistory gives the changes within
the time asked for and the last one before it, so that a question about "now" is answered by the price in force.
"""

import csv
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from scrimp.api import OutsideError
from scrimp.aws.account import Account
from scrimp.aws.operations import GET_PRODUCTS, SPOT_PRICES

CURRENCY = "USD"
PRODUCT = "Linux/UNIX"
PARALLEL = 8
PAGE = 1000  # most that AWS gives at once
# The middle of each band of the Spot Advisor; the last one is open, and taken to be as wide as the others.
BANDS = (0.025, 0.075, 0.125, 0.175, 0.225)


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A price on demand, per instance-hour in USD; `source` says where it is from, and of when."""

    per_hour: float
    source: str


@dataclass(frozen=True, slots=True)
class SpotPrice:
    """A spot price per instance-hour in USD, in force since `since_s` (epoch seconds)."""

    instance_type: str
    zone: str
    per_hour: float
    since_s: float


@dataclass(frozen=True, slots=True)
class Table:
    """A table that ships with scrimp or that a user gives: rows, and of when they are."""

    rows: Sequence[Mapping[str, str]]
    about: Mapping[str, str]


def read_table(text: str) -> Table:
    """A CSV with `# key: value` lines above it."""
    lines = text.splitlines()
    notes = (line.lstrip("# ").partition(":") for line in lines if line.startswith("#"))
    about = {key: value.strip() for key, _, value in notes}
    return Table(list(csv.DictReader(line for line in lines if line and not line.startswith("#"))), about)


@cache
def _shipped(name: str) -> Table:
    return read_table(files("scrimp_schemas").joinpath(name).read_text("utf-8"))


def shipped_prices(region: str) -> dict[str, ListPrice]:
    """The shipped prices on demand; none for a region that the table is not of."""
    table = _shipped("aws_on_demand.csv")
    if table.about["region"] != region:
        return {}
    source = f"table of {table.about['date']}"
    return {row["instance_type"]: ListPrice(float(row["usd_per_hour"]), source) for row in table.rows}


def interruption_rates(region: str, path: Path | None = None) -> dict[str, float]:
    """Share of instances taken back within a month, by type: the middle of its band.

    From the user's table (`region`, `instance_type`, `interruption_band` 0 to 4), else from the shipped one. Raises
    `ValueError` where the user's cannot be read.
    """
    try:
        table = (
            _shipped("aws_interruption_bands.csv") if path is None else read_table(path.read_text("utf-8"))
        )
        return {
            row["instance_type"]: BANDS[int(row["interruption_band"])]
            for row in table.rows
            if row["region"] == region
        }
    except (OSError, UnicodeDecodeError, KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(f"cannot read the interruption bands in `{path}`: {error}") from error


@dataclass(slots=True)
class OnDemandPrices:
    """Prices on demand, asked for once and kept for `keep_s`; the shipped table stands in where there is no answer."""

    account: Account
    ask: bool = True
    keep_s: float = 86400.0
    _kept: dict[str, tuple[float, ListPrice | None]] = field(default_factory=dict)

    def of(
        self, types: Collection[str], now_s: float, *, deadline_s: float
    ) -> tuple[dict[str, ListPrice], str]:
        """The prices that are known, and the cause where the API was asked and did not answer."""
        shipped = shipped_prices(self.account.settings.region)
        cause = ""
        if self.ask:
            missing = sorted(
                one
                for one in types
                if one not in self._kept or not 0 <= now_s - self._kept[one][0] < self.keep_s
            )
            cause = self._refresh(missing, now_s, deadline_s)
        kept = {
            one: price for one, (at_s, price) in self._kept.items() if now_s - at_s < self.keep_s and price
        }
        return {one: found for one in types if (found := kept.get(one) or shipped.get(one))}, cause

    def _refresh(self, types: Sequence[str], now_s: float, deadline_s: float) -> str:
        if not types:
            return ""
        source = f"Pricing API {datetime.fromtimestamp(now_s, UTC):%Y-%m-%d}"

        def ask(one: str) -> str:
            try:
                found = self._ask(one, source, deadline_s)
            except OutsideError as error:
                return str(error)
            self._kept[one] = (now_s, found)
            return ""

        with ThreadPoolExecutor(min(PARALLEL, len(types))) as pool:
            return next((cause for cause in pool.map(ask, types) if cause), "")

    def _ask(self, instance_type: str, source: str, deadline_s: float) -> ListPrice | None:
        """The one price of a type on Linux, shared, without licences; `None` where the list has none."""
        wanted = {
            "instanceType": instance_type,
            "regionCode": self.account.settings.region,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
        found = self.account.pages(
            GET_PRODUCTS, deadline_s=deadline_s, ServiceCode="AmazonEC2", Filters=filters
        )
        prices = [price for one in found for price in _hourly(json.loads(one))]
        return ListPrice(min(prices), source) if prices else None


def _hourly(product: Mapping[str, Any]) -> Iterator[float]:
    """Prices per hour in a product of the price list; those of 0 stand for what is paid for in advance."""
    for offer in product.get("terms", {}).get("OnDemand", {}).values():
        for rate in offer.get("priceDimensions", {}).values():
            price = float(rate.get("pricePerUnit", {}).get(CURRENCY, 0.0))
            if rate.get("unit") == "Hrs" and price > 0:
                yield price


def spot_history(
    account: Account,
    types: Collection[str],
    start_s: float,
    end_s: float,
    *,
    zones: Collection[str] = (),
    product: str = PRODUCT,
    deadline_s: float,
) -> list[SpotPrice]:
    """Changes of spot prices from `start_s` to `end_s`, and of each pool the last one before; in order of time."""
    if not types:
        return []
    arguments: dict[str, Any] = {
        "InstanceTypes": sorted(types),
        "ProductDescriptions": [product],
        "StartTime": datetime.fromtimestamp(start_s, UTC),
        "EndTime": datetime.fromtimestamp(end_s, UTC),
        "MaxResults": PAGE,
    }
    if zones:
        arguments["Filters"] = [{"Name": "availability-zone", "Values": sorted(zones)}]
    found = [
        SpotPrice(
            row["InstanceType"],
            row["AvailabilityZone"],
            float(row["SpotPrice"]),
            row["Timestamp"].timestamp(),
        )
        for row in account.pages(SPOT_PRICES, deadline_s=deadline_s, **arguments)
        if not zones or row["AvailabilityZone"] in zones
    ]
    return sorted(found, key=lambda one: (one.since_s, one.instance_type, one.zone))


def spot_prices(
    account: Account,
    types: Collection[str],
    now_s: float,
    *,
    zones: Collection[str] = (),
    product: str = PRODUCT,
    deadline_s: float,
) -> dict[tuple[str, str], SpotPrice]:
    """The spot prices in force now, by type and zone."""
    rows = spot_history(account, types, now_s, now_s, zones=zones, product=product, deadline_s=deadline_s)
    return {(one.instance_type, one.zone): one for one in rows}
