"""Errors of the outside world, as types with consequences: what may be tried again, and what may not."""


class OutsideError(Exception):
    """Something outside of scrimp failed. Anything that is not one of these fails its one action, and is audited."""


class Unavailable(OutsideError):  # noqa: N818 - named for the condition, as the caller asks for it
    """Could not be reached, or did not answer in time: worth another try."""


class Throttled(OutsideError):  # noqa: N818 - as above
    """Told to slow down: worth another try after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TargetGone(OutsideError):  # noqa: N818 - as above
    """The target is not there any more: no other try can help."""


class Refused(OutsideError):  # noqa: N818 - as above
    """The other side said no: no other try can help."""
