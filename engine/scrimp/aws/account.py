"""Calls to one account and region: each with a deadline, tried again where that can help, its errors typed.

boto3 is an extra (`scrimp[aws]`) and is imported at the first call. Its own retries are off: they know no deadline.
Every call is one of `operations`, and one that was declared when the account was opened: what `scrimp permissions`
prints is made of the same declarations.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from scrimp.api import OutsideError, Refused, Throttled, Unavailable
from scrimp.aws.errors import Expired, said
from scrimp.aws.operations import Operation

TIMEOUTS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # one client each: botocore has no timeout per call
PRICING_REGION = "us-east-1"  # the Pricing API and Cost Explorer answer in few regions, this one among them
GLOBAL_SERVICES = ("pricing", "ce")
MARGIN_S = 0.05  # kept of a deadline, to answer in time


class NotInstalled(ValueError):  # noqa: N818 - named for the condition
    """boto3 is not there. A ValueError, so that a section of the configuration is told so in a sentence."""

    def __init__(self) -> None:
        super().__init__("boto3 is not installed: pip install 'scrimp[aws]'")


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Which account, region and endpoint. `attempts` per call, with pauses from `pause_s` doubling in between."""

    region: str
    profile: str | None = None
    endpoint_url: str | None = None
    attempts: int = 4
    pause_s: float = 0.1

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "AwsSettings":
        """From a section of `scrimp.yaml`: `region`, `profile`, `endpoint_url`. Raises `KeyError` without a region."""
        if find_spec("boto3") is None:
            raise NotInstalled
        return cls(
            text(config["region"]),
            text(config["profile"]) if "profile" in config else None,
            text(config["endpoint_url"]) if "endpoint_url" in config else None,
        )


def text(value: Any) -> str:
    """An option's text; a `Secret` shows itself here, where it is used, and nowhere else."""
    return str(value.reveal()) if hasattr(value, "reveal") else str(value)


@cache
def _loader() -> Any:
    """One for all accounts: it keeps the descriptions of services, which are large (EC2's alone takes 0.3 s to read)."""
    from botocore.session import get_session  # noqa: PLC0415 - an extra, and slow to import

    return get_session().get_component("data_loader")


@dataclass(slots=True)
class Account:
    """AWS as scrimp calls it. `declared` are the calls that may be made. Usable from several threads at once.

    `monotonic` measures deadlines, `sleep` waits between attempts: both are real ones, for the network is.
    """

    settings: AwsSettings
    declared: Collection[Operation]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _session: Any = None
    _clients: dict[tuple[str, float], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, operation: Operation, *, deadline_s: float, **arguments: Any) -> dict[str, Any]:
        """One answer, by the deadline. Raises `OutsideError`: `Throttled` and `Unavailable` only after other tries."""
        # INVARIANT: no call leaves that `scrimp permissions` does not know of.
        assert operation in self.declared, f"{operation.action} was not declared"
        until_s = self.monotonic() + deadline_s - MARGIN_S
        attempt = 0
        while True:
            attempt += 1
            left_s = until_s - self.monotonic()
            try:
                return self._once(operation, left_s, arguments)
            except (Throttled, Unavailable):
                pause_s = self.settings.pause_s * 2.0 ** (attempt - 1)
                left_s = until_s - self.monotonic() - pause_s
                if attempt >= self.settings.attempts or left_s < TIMEOUTS_S[0]:
                    raise
                self.sleep(pause_s)

    def pages(self, operation: Operation, *, deadline_s: float, **arguments: Any) -> Iterator[Any]:
        """All items of all pages, by one deadline for the whole. Raises as `call` does, in the middle too."""
        until_s = self.monotonic() + deadline_s
        token: str | None = None
        name = "NextPageToken" if operation.service == "ce" else "NextToken"
        while True:
            more = {name: token} if token else {}
            answer = self.call(operation, deadline_s=until_s - self.monotonic(), **arguments, **more)
            yield from answer.get(operation.items, ())
            before, token = token, answer.get(name)
            if not token:
                return
            if token == before:
                raise Unavailable(f"{operation.action}: the same page again")

    def _once(self, operation: Operation, left_s: float, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if left_s <= 0:
            raise Unavailable(f"{operation.action}: no answer in time")
        from botocore import exceptions as errors  # noqa: PLC0415 - an extra, and slow to import
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as above

        asked = operation.action
        try:
            method = getattr(self._client(operation.service, left_s), operation.method)
            found: dict[str, Any] = method(**arguments)
        except errors.ClientError as error:
            raise self._told(error, asked) from error
        except (errors.NoCredentialsError, errors.PartialCredentialsError) as error:
            raise Refused(f"{asked}: no AWS credentials were found") from error
        except (errors.CredentialRetrievalError, errors.TokenRetrievalError, errors.SSOError) as error:
            self._forget()
            raise Expired(f"{asked}: the AWS credentials cannot be read: {error}") from error
        except (errors.ProfileNotFound, errors.ParamValidationError, errors.InvalidRegionError) as error:
            raise Refused(f"{asked}: {' '.join(str(error).split())}") from error
        except (errors.ConnectTimeoutError, errors.ReadTimeoutError) as error:
            raise Unavailable(f"{asked}: no answer in time") from error
        except errors.BotoCoreError as error:
            raise Unavailable(f"{asked}: {' '.join(str(error).split())}") from error
        except ResponseParserError as error:  # a page of a proxy's, most likely
            raise Unavailable(f"{asked}: the answer is not one of AWS") from error
        return found

    def _told(self, error: Any, asked: str) -> OutsideError:
        answer = error.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        told = said(answer["Error"].get("Code", ""), answer["Error"].get("Message", ""), status, asked)
        if isinstance(told, Expired):
            self._forget()
        return told

    def _forget(self) -> None:
        """Let the next call read the credentials anew."""
        with self._lock:
            self._session = None
            self._clients.clear()

    def _client(self, service: str, left_s: float) -> Any:
        """A client whose timeout, a quarter of it for the connection and the rest for the answer, is within what is left."""
        timeout_s = max((one for one in TIMEOUTS_S if one <= left_s), default=TIMEOUTS_S[0])
        with self._lock:
            found = self._clients.get((service, timeout_s))
            if found is None:
                found = self._clients[service, timeout_s] = self._made(service, timeout_s)
            return found

    def _made(self, service: str, timeout_s: float) -> Any:
        import boto3  # noqa: PLC0415 - an extra, and slow to import
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.session import get_session  # noqa: PLC0415 - as above

        settings = self.settings
        if self._session is None:
            core = get_session()
            core.register_component("data_loader", _loader())
            self._session = boto3.Session(
                botocore_session=core, profile_name=settings.profile, region_name=settings.region
            )
        return self._session.client(
            service,
            region_name=PRICING_REGION if service in GLOBAL_SERVICES else settings.region,
            endpoint_url=settings.endpoint_url,
            config=Config(
                connect_timeout=timeout_s / 4,
                read_timeout=timeout_s * 3 / 4,
                retries={"mode": "standard", "total_max_attempts": 1},
                user_agent_extra="scrimp",
            ),
        )
