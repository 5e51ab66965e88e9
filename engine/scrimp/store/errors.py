"""What can go wrong with the state folder, as types with a code of the table."""


class StoreError(Exception):
    """The state folder cannot be used as wanted."""

    code = "SCR804"


class LogUnwritable(StoreError):  # noqa: N818 - named for the condition, as the caller asks for it
    """The audit log cannot be written, so nothing may be done."""

    code = "SCR801"


class StoreBusy(StoreError):  # noqa: N818 - as above
    """Another engine runs on this state folder."""

    code = "SCR802"


class StoreTooNew(StoreError):  # noqa: N818 - as above
    """The state folder was written by a newer scrimp."""

    code = "SCR803"


class LedgerUnusable(StoreError):  # noqa: N818 - as above
    """The ledger cannot be read or written."""

    code = "SCR804"


class NotAllowed(StoreError):  # noqa: N818 - as above
    """Who answers a request for approval is none of those who may."""

    code = "SCR821"


class NotAwaiting(StoreError):  # noqa: N818 - as above
    """There is no such request for approval, or no act in doubt under that key, or it was answered already."""

    code = "SCR806"
