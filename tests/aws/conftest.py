"""One server for all tests of AWS; each test begins with it empty."""

import logging
from collections.abc import Iterator

import pytest
from tests.aws.server import CREDENTIALS, AwsServer, serving


@pytest.fixture(scope="session")
def aws_server() -> Iterator[AwsServer]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = AwsServer()
    with serving(server) as url:
        server.url = url
        yield server


@pytest.fixture
def aws(aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> AwsServer:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws_server.reset()
    return aws_server
