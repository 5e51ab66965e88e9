"""What AWS answers when it does not do as it is asked, as the typed errors of `scrimp.api`.

Codes: the common errors of the EC2 query API and those that botocore's standard retry mode takes for throttling
(`botocore.retries.standard`). A code that is not listed is a refusal, since the API reached a conclusion.
"""

from scrimp.api import OutsideError, Refused, TargetGone, Throttled, Unavailable

THROTTLED = frozenset(
    (
        *(
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestLimitExceeded",
        ),
        *("RequestThrottledException", "TooManyRequestsException", "BandwidthLimitExceeded", "SlowDown"),
        *("ProvisionedThroughputExceededException", "PriorRequestNotComplete", "EC2ThrottledException"),
        *("LimitExceededException", "ResourceContention", "ResourceContentionFault"),
    )
)
OUT_OF_ORDER = frozenset(
    (
        *("InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "RequestTimeout"),
        *("ScalingActivityInProgress", "ScalingActivityInProgressFault"),  # of a group that is being changed
    )
)
EXPIRED = frozenset(("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"))
DENIED = frozenset(
    ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorizedForSourceException")
)
UNKNOWN_IDENTITY = frozenset(
    ("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch")
)


class Denied(Refused):
    """The credentials are good, and may not do this."""


class Expired(Refused):
    """The credentials are not good any more; the next call reads them anew."""


def said(code: str, message: str, status: int, asked: str) -> OutsideError:
    """The error that an answer means. `asked` is the call, such as `ec2:CreateFleet`."""
    if code in THROTTLED or status == 429:
        return Throttled(f"{asked}: {code}")
    if code in OUT_OF_ORDER or status >= 500:
        return Unavailable(f"{asked}: {code or f'HTTP {status}'}")
    if code in EXPIRED:
        return Expired(f"{asked}: the AWS credentials have expired")
    if code in DENIED:
        return Denied(f"{asked} is not allowed: see `scrimp permissions`")
    if code in UNKNOWN_IDENTITY:
        return Expired(f"{asked}: AWS does not know these credentials ({code})")
    if code.endswith(
        ("NotFound", "NotFoundException", "NonExistentQueue", "QueueDoesNotExist", ".Malformed")
    ):
        return TargetGone(f"{asked}: {message or code}")
    return Refused(f"{asked}: {code}: {message}")
