"""The client that jobs import, its folder channel, the queue of work leases, and the registry of local job groups.

Importing it costs little: the standard library and the nouns of `scrimp.api`, no arrays and no process library.
"""

from scrimp.worker.client import Worker
from scrimp.worker.folder import FolderChannel
from scrimp.worker.imds import Imds, ImdsWatch
from scrimp.worker.queue import SqliteQueue, open_queue
from scrimp.worker.registry import FolderRegistry, group_from_json, group_to_json

__all__ = [
    "FolderChannel",
    "FolderRegistry",
    "Imds",
    "ImdsWatch",
    "SqliteQueue",
    "Worker",
    "group_from_json",
    "group_to_json",
    "open_queue",
]
