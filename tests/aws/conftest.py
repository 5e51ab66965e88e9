"""One server for all tests of AWS; each test begins with it empty."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.aws.server import CREDENTIALS, AwsServer, serving
from tests.cli.command import Shell


@pytest.fixture(scope="session")
def aws_server() -> Iterator[AwsServer]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # 1,300 images at each reset, and no test looks at one
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


@pytest.fixture
def scrimp(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)
