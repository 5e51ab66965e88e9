"""The engine driven over written series: tests of policies."""

from scrimp.simulate.run import Failure, Restart, Tested, run_tests

__all__ = ["Failure", "Restart", "Tested", "run_tests"]
