"""What a policy file means: names, types and units, clauses and tests, checked against the catalogue."""

from scrimp.check.consequences import without_consequences
from scrimp.check.cost import ClauseCost, clause_costs, costly_clauses
from scrimp.check.files import check_files
from scrimp.check.uses import Uses

__all__ = ["ClauseCost", "Uses", "check_files", "clause_costs", "costly_clauses", "without_consequences"]
