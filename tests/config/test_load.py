"""`scrimp.yaml`: typed, with a place for every mistake, and never a secret in sight."""

from pathlib import Path

import pytest
from rich.pretty import pretty_repr

from scrimp.config import Config, load_config, parse_config
from scrimp.diagnostics import Source, render_text
from scrimp.model.decision import Mode

FULL = """\
policies: rules
mode_cap: dry_run
interval: 1m30s
mass_zero: 3
price_per_core_hour: 0.04
params: {spare: $300/h, keep: 2, loud: true}
collectors:
  prom:
    type: prometheus
    deadline: 5s
    url: http://127.0.0.1:9090
    password: ${env:PROM_PASSWORD}
  host: {}
webhooks:
  oncall: {url: "https://hooks.test/${env:TOKEN}"}
"""
ENVIRONMENT = {"PROM_PASSWORD": "hunter2", "TOKEN": "t0ken"}


def parse(text: str) -> tuple[Config | None, list[tuple[str, str, int, int]]]:
    source = Source("scrimp.yaml", text)
    found, diagnostics = parse_config(source, Path("/team"), ENVIRONMENT)
    places = [source.place(one.span.start if one.span else 0) for one in diagnostics]
    return found, [
        (one.code, one.message, at.line, at.column) for one, at in zip(diagnostics, places, strict=True)
    ]


def test_a_full_file() -> None:
    found, diagnostics = parse(FULL)
    assert not diagnostics
    assert found is not None
    assert found.policies == Path("/team/rules")
    assert found.store == Path("/team/.scrimp")
    assert found.mode_cap is Mode.DRY_RUN
    assert (found.interval_s, found.deadline_s, found.mass_zero) == (90.0, 10.0, 3)
    assert found.params == {"spare": "$300/h", "keep": "2", "loud": "true"}
    prom, host = found.collectors
    assert (prom.name, prom.type, prom.deadline_s) == ("prom", "prometheus", 5.0)
    assert prom.options["password"].reveal() == "hunter2"
    assert host.type == "host"
    assert found.webhooks["oncall"].url.reveal() == "https://hooks.test/t0ken"


def test_secrets_do_not_show_themselves() -> None:
    """A configuration ends up in logs and tracebacks."""
    found, _ = parse(FULL)
    assert found is not None
    shown = (repr(found), str(found.collectors[0].options), f"{found.webhooks}", pretty_repr(found))
    for text in shown:
        assert "hunter2" not in text
        assert "t0ken" not in text


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("policies: a\nintervall: 5s\n", ("SCR402", "there is no key `intervall` here", 2, 1)),
        ("interval: soon\n", ("SCR403", "`interval` must be a duration such as `30s`", 1, 11)),
        ("mass_zero: 0\n", ("SCR403", "`mass_zero` must be at least 1", 1, 12)),
        (
            "mode_cap: loud\n",
            ("SCR403", "`mode_cap` must be one of `off`, `dry_run`, `approve`, `enforce`", 1, 11),
        ),
        ("webhooks:\n  a: {}\n", ("SCR403", "`webhooks.a` needs `url`", 2, 6)),
        ("a: [1\n", ("SCR401", "not YAML: expected ',' or ']', but got '<stream end>'", 1, 6)),
        ("store: a\nstore: b\n", ("SCR401", "`store` is given twice", 2, 1)),
        ("store: !!python/object:os.system x\n", ("SCR401", None, 1, 8)),
        (
            "collectors:\n  tuning: {look: 5}\n",
            ("SCR402", "there is no key `look` here", 2, 12),
        ),
        (
            "collectors:\n  sizes: {type: tuning, full: 2}\n",
            ("SCR403", "`collectors.sizes.full` must be at most 1", 2, 31),
        ),
        (
            "providers:\n  aws: {auto_scaling_group: [web]}\n",
            ("SCR402", "there is no key `auto_scaling_group` here", 2, 9),
        ),
        (
            "providers:\n  prod: {type: aws, auto_scaling_groups: web}\n",
            ("SCR403", "`providers.prod.auto_scaling_groups` must be a list", 2, 42),
        ),
        (
            "providers:\n  aws: {groups: {a: {pools: []}}}\n",
            ("SCR403", "`providers.aws.groups.a.pools` must not be empty", 2, 29),
        ),
        (
            "providers:\n  aws: {groups: {a: {pools: [':a']}}}\n",
            (
                "SCR403",
                "`providers.aws.groups.a.pools.0` must be a pool, such as `g5.xlarge:us-east-1a`",
                2,
                30,
            ),
        ),
        (
            "providers:\n  aws: {pass_role: worker}\n",
            (
                "SCR403",
                (
                    "`providers.aws.pass_role` must be the ARN of a role, such as "
                    "`arn:aws:iam::111122223333:role/worker`"
                ),
                2,
                20,
            ),
        ),
        (
            "providers:\n  trace: {faults: {missing: 7}}\n",
            ("SCR403", "`providers.trace.faults.missing` must be at most 1", 2, 29),
        ),
        (
            "collectors:\n  aws: {spot: {instance_type: [a]}}\n",
            ("SCR402", "there is no key `instance_type` here", 2, 16),
        ),
        (
            "collectors:\n  notices: {type: aws_events, queue_url: notices}\n",
            (
                "SCR403",
                (
                    "`collectors.notices.queue_url` must be the address of a queue, such as "
                    "`https://sqs.us-east-1.amazonaws.com/111122223333/notices`"
                ),
                2,
                42,
            ),
        ),
        (
            "policies: ${env:NOT_SET}\n",
            ("SCR404", "the environment variable `NOT_SET` is not set", 1, 11),
        ),
    ],
)
def test_each_mistake_has_its_place(text: str, finding: tuple[str, str | None, int, int]) -> None:
    found, diagnostics = parse(text)
    assert found is None
    ((code, message, line, column),) = diagnostics
    assert (code, finding[1] or message, line, column) == (finding[0], finding[1] or message, *finding[2:])


@pytest.mark.parametrize("name", ["tuning", "aws", "trace"])
def test_a_section_named_so_may_be_another(name: str) -> None:
    assert parse(f"collectors:\n  {name}: {{type: mine, look: 5}}\n")[1] == []
    assert parse(f"providers:\n  {name}: {{type: mine, look: 5}}\n")[1] == []


def test_what_the_environment_gives_is_not_judged_before_it_is_there() -> None:
    text = "providers:\n  aws: {region: a, pass_role: '${env:TOKEN}'}\n"
    assert (
        parse(text + "collectors:\n  aws_events: {region: a, queue_url: 'https://${env:TOKEN}'}\n")[1] == []
    )


def test_all_mistakes_at_once_in_order() -> None:
    _, diagnostics = parse("polices: a\ninterval: 5\nmass_zero: x\n")
    assert [line for _, _, line, _ in diagnostics] == [1, 2, 3]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found, diagnostics = load_config(tmp_path, {})
    assert not diagnostics
    assert found is not None
    assert found.policies == tmp_path / "policies"
    assert found.mode_cap is None
    assert load_config(tmp_path, {}, tmp_path / "gone.yaml")[0] is None


def test_an_empty_file_is_the_defaults() -> None:
    assert parse("# nothing yet\n")[1] == []


def test_a_near_miss_is_named() -> None:
    _, diagnostics = parse_config(Source("s", "polices: a\n"), Path(), {})
    assert "did you mean `policies`?" in render_text(diagnostics, colour=False)


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        ("{}", (0.15, 86_400.0, 7 * 86_400.0)),
        ("{unit_cost: 20%}", (0.2, 86_400.0, 7 * 86_400.0)),
        ("{unit_cost_over: 6h, unit_cost_against: 14d}", (0.15, 6 * 3600.0, 14 * 86_400.0)),
    ],
)
def test_the_rise_of_the_cost_per_item_that_alerts(alerts: str, expected: tuple[float, ...]) -> None:
    config, _ = parse(f"budgets:\n  b: {{limit: 1, alerts: {alerts}}}\n")
    assert config is not None
    (one,) = config.budgets
    assert (one.unit_cost, one.unit_cost_over_s, one.unit_cost_against_s) == expected


def test_a_rise_is_a_share() -> None:
    config, found = parse("budgets:\n  b: {limit: 1, alerts: {unit_cost: 0.15}}\n")
    assert config is None
    assert [code for code, *_ in found] == ["SCR403"]
