"""The engine driven over written series: tests of policies."""

from scrimp.simulate.coverage import Coverage, Covered
from scrimp.simulate.run import Failure, Restart, Tested, run_tests

__all__ = ["Coverage", "Covered", "Failure", "Restart", "Tested", "run_tests"]
