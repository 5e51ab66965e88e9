"""The rooms put together from a real `scrimp.yaml`."""

from pathlib import Path

from tests.daemon.engines import policy

from scrimp.config import load_config
from scrimp.daemon import compose
from scrimp.model.decision import Mode
from scrimp.plugins import ALWAYS
from scrimp.reload import Reloaded
from scrimp.testing import ManualClock

CONFIG = """
policies: rules
currency: USD
mode_cap: approve
action_deadline: 7s
interval: 20s
params:
  idle: 10%
collectors:
  prom:
    type: prometheus
    interval: 15s
    deadline: 3s
    url: http://127.0.0.1:9
    queries: []
providers:
  nobody:
    type: no_such_plugin
"""


def test_a_project_is_composed_as_its_configuration_says(tmp_path: Path) -> None:
    """One bad plug-in is told and the engine still runs with the rest."""
    (tmp_path / "scrimp.yaml").write_text(CONFIG)
    (tmp_path / "rules").mkdir()
    text = policy().replace("< 20%", "< idle")
    text = text.replace("scrimp 1\n", "scrimp 1\n\nparam idle: ratio = 20% within [5%, 50%]\n")
    (tmp_path / "rules" / "p.scrimp").write_text(text)
    config, wrong = load_config(tmp_path, {})
    assert config is not None, wrong
    clock = ManualClock()
    parts = compose(config, clock.now, clock.sleep)
    assert [one.name for one in parts.collectors] == ["prom"]
    assert [one.name for one in parts.providers] == list(ALWAYS)
    assert [one.code for one in parts.findings] == ["SCR406"]
    loaded = parts.folder.reload()
    assert isinstance(loaded, Reloaded), loaded
    assert loaded.policy_set.checked.params["idle"].value == 0.1
    settings = parts.tick_settings(Mode.ENFORCE)
    assert (settings.cap, settings.execute.deadline_s) == (Mode.APPROVE, 7.0)
    assert parts.tick_settings(Mode.DRY_RUN).cap is Mode.DRY_RUN
