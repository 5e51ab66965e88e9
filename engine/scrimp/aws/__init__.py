"""AWS for collectors and providers: the calls that can be made, their permissions, deadlines and typed errors."""

from scrimp.aws import operations
from scrimp.aws.account import Account, AwsSettings, NotInstalled, text
from scrimp.aws.document import iam_document
from scrimp.aws.errors import Denied, Expired
from scrimp.aws.lives import Lives, LivesBook, hazard_per_h, read_lives
from scrimp.aws.notices import LEAD_S, Board, Notice, NoticeBoard, NoticeKind, parsed, read_event
from scrimp.aws.operations import Operation
from scrimp.aws.prices import (
    CURRENCY,
    ListPrice,
    OnDemandPrices,
    SpotPrice,
    interruption_rates,
    shipped_prices,
    spot_history,
    spot_prices,
)

MEMBER_TAG = "scrimp:member"  # on an instance that scrimp launched for a fleet: `FLEET-SLOT.GENERATION`
KEY_TAG = "scrimp:key"  # the tag with the key of the intent that launched it

__all__ = [
    "CURRENCY",
    "KEY_TAG",
    "LEAD_S",
    "MEMBER_TAG",
    "Account",
    "AwsSettings",
    "Board",
    "Denied",
    "Expired",
    "ListPrice",
    "Lives",
    "LivesBook",
    "NotInstalled",
    "Notice",
    "NoticeBoard",
    "NoticeKind",
    "OnDemandPrices",
    "Operation",
    "SpotPrice",
    "hazard_per_h",
    "iam_document",
    "interruption_rates",
    "operations",
    "parsed",
    "read_event",
    "read_lives",
    "shipped_prices",
    "spot_history",
    "spot_prices",
    "text",
]
