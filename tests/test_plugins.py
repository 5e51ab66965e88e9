"""Plug-ins by entry point: real distributions in a temporary folder."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from scrimp.api import Direction, PlannedAction, Services
from scrimp.config import Config, Section, parse_config
from scrimp.diagnostics import Source
from scrimp.plugins import build_collectors, build_providers, load_actions, load_catalogue
from scrimp.testing import ManualClock
from scrimp.worker import FolderChannel, FolderRegistry
from scrimp_actions.specs import SPECS

PLUGIN = """
    from types import SimpleNamespace
    from scrimp.api import ActionSpec
    from scrimp.testing import FakeCollector, FakeProvider

    class Good:
        actions = (ActionSpec("defrost", "Thaw it.", ("job",)),)
        def __call__(self, config, services):
            return FakeProvider({}, name=config["name"])

    class Thief:
        actions = (ActionSpec("scale_down", "Not yours.", ("job",)),)

    good, thief = Good(), Thief()

    def collector(config, services):
        return FakeCollector((), [("job", "*"), ("jbo", "*")], config["name"], config["interval_s"])

    def needy(config, services):
        return config["url"]

    def shapeless(config, services):
        return SimpleNamespace(name="x")

"""
WHOLE = """\
price_per_core_hour: 0.5
collectors:
  host: {}
webhooks:
  oncall: {url: "https://hooks.test/x"}
"""
POINTS = """
    [scrimp.providers]
    good = stranger:good
    thief = stranger:thief
    broken = no_such_module:build

    [scrimp.collectors]
    seen = stranger:collector
    needy = stranger:needy
    shapeless = stranger:shapeless
"""


@pytest.fixture
def services(tmp_path: Path) -> Services:
    clock = ManualClock()
    registry = FolderRegistry(tmp_path / "state")
    return Services(
        clock.now, clock.sleep, tmp_path / "state", FolderChannel(registry.worker_dir), jobs=registry
    )


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a stranger's distribution."""
    site = tmp_path / "site"
    info = site / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(dedent(POINTS))
    (site / "stranger.py").write_text(dedent(PLUGIN))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "stranger", raising=False)


def config(tmp_path: Path, **sections: tuple[Section, ...]) -> Config:
    return Config(tmp_path / "policies", tmp_path / "state", **sections)


def test_the_catalogue_has_the_built_in_kinds_and_actions() -> None:
    catalogue = load_catalogue("EUR")
    assert catalogue.currency == "EUR"
    assert {"job", "node_group", "fleet"} <= set(catalogue.kinds)
    assert set(SPECS) <= set(catalogue.actions)


def test_the_catalogue_needs_no_provider_module() -> None:
    """`scrimp check` must start fast: no cloud or array code of providers is imported."""
    code = (
        "import sys; from scrimp.plugins import load_catalogue; load_catalogue();"
        "print([m for m in sys.modules if m.startswith('scrimp_actions.') and m != 'scrimp_actions.specs'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("stranger")
def test_actions_of_other_packages_join_and_bad_ones_are_told() -> None:
    """One bad plug-in must not take the others away, and none may change what `scale_down` means."""
    actions, findings = load_actions()
    assert actions["defrost"].doc == "Thaw it."
    assert actions["scale_down"] is SPECS["scale_down"]
    assert sorted((one.code, one.message) for one in findings) == [
        ("SCR406", "provider `broken`: ModuleNotFoundError: No module named 'no_such_module'"),
        ("SCR406", "provider `thief`: there is an action `scale_down` already"),
    ]


@pytest.mark.usefixtures("stranger")
def test_a_package_is_found_wherever_python_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a link, by a relative path, beside folders that are not there or cannot be."""
    (tmp_path / "linked").symlink_to("site")
    monkeypatch.chdir(tmp_path)
    rest = [one for one in sys.path if one != str(tmp_path / "site")]
    odd = ["a" * 300, "nowhere", str(Path(__file__) / "inside")]
    for entry in (str(tmp_path / "linked"), "site", "linked/../site"):
        monkeypatch.setattr(sys, "path", [*odd, entry, *rest])
        assert "defrost" in load_actions()[0], entry
    monkeypatch.setattr(sys, "path", [*odd, *rest])
    assert "defrost" not in load_actions()[0]


def test_every_public_name_is_told_and_can_be_had() -> None:
    """Names are looked up when they are used: editors, `help` and `import *` see them all the same."""
    code = "import scrimp.api as a; print(set(a.__all__) <= set(dir(a)), [n for n in a.__all__ if not hasattr(a, n)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"
    with pytest.raises(ImportError, match=r"cannot import name 'Refuzal' from 'scrimp\.api'"):
        from scrimp.api import Refuzal  # noqa: F401, PLC0415


@pytest.mark.usefixtures("stranger")
def test_configured_providers_come_first_and_local_needs_no_section(
    tmp_path: Path, services: Services
) -> None:
    sections = (Section("mine", "good"), Section("broken", "broken"), Section("other", "god"))
    built, findings = build_providers(config(tmp_path, providers=sections), services)
    assert [one.name for one in built] == ["mine", "local", "notify", "tuning"]
    assert [one.code for one in findings] == ["SCR406", "SCR406"]
    assert findings[1].hint == "did you mean `good`?"


@pytest.mark.usefixtures("stranger")
def test_a_bad_collector_is_told_and_the_rest_load(tmp_path: Path, services: Services) -> None:
    sections = (
        Section("needy", "needy"),
        Section("shapeless", "shapeless"),
        Section("a", "seen", interval_s=5.0),
        Section("b", "seen"),
        Section("p", "prometheus", {"url": "http://127.0.0.1:9", "queries": []}),
    )
    built, findings = build_collectors(config(tmp_path, collectors=sections), services, load_catalogue())
    assert [(one.name, one.interval_s) for one in built] == [("a", 5.0), ("b", 30.0), ("p", 30.0)]
    messages = [one.message for one in findings]
    assert messages[0] == "collector `needy`: its section needs `url`"
    assert messages[1] == "collector `shapeless`: it lacks `interval_s`, `covers`, `collect`"
    assert messages[2] == "collector `a` covers kind `jbo`, which the catalogue does not have"


def test_webhooks_and_the_price_of_a_core_reach_those_who_use_them(
    tmp_path: Path, services: Services
) -> None:
    """They stand at the top of `scrimp.yaml`, for they describe the team and not one plug-in."""
    found, _ = parse_config(Source("scrimp.yaml", WHOLE), tmp_path, {})
    assert found is not None
    providers, findings = build_providers(found, services)
    action = PlannedAction("alert", "job/a", {"to": "oncall"}, None, Direction.NEUTRAL, {}, {}, None)
    notify = next(one for one in providers if one.name == "notify")
    assert notify.plan(action).startswith("would tell webhook oncall")
    (host,), more = build_collectors(found, services, load_catalogue())
    node = next(one for one in host.collect(1.0, deadline_s=5).batches if one.kind == "node")
    assert node.fields["price_per_hour"][0] == pytest.approx(0.5 * (os.cpu_count() or 1))
    assert not (*findings, *more)
