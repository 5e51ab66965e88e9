"""What a policy file means: names, types and units, clauses and tests, checked against the catalogue."""

from scrimp.check.files import check_files

__all__ = ["check_files"]
