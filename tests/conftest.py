"""Options that all tests share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite`: corpora take over what is found now."""
    parser.addoption(
        "--rewrite", action="store_true", help="write what is found into the corpora, to be read in the diff"
    )
