"""What a restart makes of a ledger: written to a disk, dropped and read back."""

import tempfile
from pathlib import Path

from scrimp.model.ledger import EMPTY_LEDGER, Ledger
from scrimp.store.database import Database
from scrimp.store.store import StoreSettings


def round_trip(ledger: Ledger) -> Ledger:
    """The ledger as a new process finds it. Raises `LedgerUnusable`."""
    with tempfile.TemporaryDirectory(prefix="scrimp-") as folder:
        path, wait_s = Path(folder) / "scrimp.db", StoreSettings().wait_s
        written = Database(path, wait_s)
        try:
            with written.transaction():
                written.write(EMPTY_LEDGER, ledger)
            written.save_holds(ledger.holds)
        finally:
            written.close()
        found = Database(path, wait_s)
        try:
            return found.load()
        finally:
            found.close()
