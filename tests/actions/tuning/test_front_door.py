"""The usage example of the package runs as it stands, and everything that is named is there."""

import itertools
from textwrap import dedent

from scrimp_actions import tuning


def test_the_example_of_the_docstring_runs(capsys):
    """Its caller measures a curve that is flat, then linear, so that 0.2 s allow 32 of them."""
    doc = tuning.__doc__ or ""
    lines = [line for line in doc.splitlines() if line.startswith("    ")]
    names = {name: getattr(tuning, name) for name in tuning.__all__}
    names |= {"measure": lambda batch: 0.05 + 0.004 * batch, "clock": itertools.count().__next__}
    exec(dedent("\n".join(lines)), names)  # noqa: S102 - our own docstring
    assert names["proposal"].setting == tuning.Setting(32)
    assert "choose: batch 32" in capsys.readouterr().out


def test_all_names_are_there():
    assert all(hasattr(tuning, name) for name in tuning.__all__)
    assert list(tuning.__all__) == sorted(tuning.__all__)
