"""`scrimp schema`."""

import json

import jsonschema
from tests.cli.command import Shell


def test_every_listed_schema_is_one(scrimp: Shell) -> None:
    names = scrimp("schema").out.split()
    assert {"audit", "config", "plan", "snapshot"} <= set(names)
    for name in names:
        jsonschema.Draft202012Validator.check_schema(json.loads(scrimp("schema", name).out))


def test_an_unknown_schema_is_wrong_usage(scrimp: Shell) -> None:
    ran = scrimp("schema", "plans")
    assert (ran.code, ran.out) == (2, "")
    assert "known are" in ran.err
