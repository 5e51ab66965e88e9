"""Policy files -> the policy set in force; watches them, and keeps the last good set."""

from scrimp.reload.folder import LOOK_EVERY_S, Changes, PolicyFolder, Rejected, Reloaded, changes
from scrimp.reload.git import Commit, commit_of
from scrimp.reload.load import Loaded, Read, load_policies, policy_files, read_policies, read_sources

__all__ = [
    "LOOK_EVERY_S",
    "Changes",
    "Commit",
    "Loaded",
    "PolicyFolder",
    "Read",
    "Rejected",
    "Reloaded",
    "changes",
    "commit_of",
    "load_policies",
    "policy_files",
    "read_policies",
    "read_sources",
]
