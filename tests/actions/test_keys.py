"""The notes by which a second `apply` changes nothing."""

from pathlib import Path

import pytest

from scrimp.api import ActionResult, Unavailable
from scrimp_actions.keys import KeyStore


def test_the_first_note_stands_and_only_a_finished_action_is_done(tmp_path: Path) -> None:
    """Between `begun` and `done` lies doubt, so neither may be taken for the other."""
    store = KeyStore(tmp_path / "keys")
    assert store.begun("k") is None
    assert store.begin("k", {"size": 2}) == {"size": 2}
    assert store.begin("k", {"size": 9}) == {"size": 2}
    assert store.done("k") is None
    result = store.finish("k", ActionResult("grown", {"size": 3}))
    again = KeyStore(tmp_path / "keys")
    assert again.done("k") == result
    assert again.begun("k") == {"size": 2}
    assert again.done("other") is None


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_note_is_doubt_and_not_absence(tmp_path: Path, text: str) -> None:
    """An action whose note is lost must not be done twice."""
    store = KeyStore(tmp_path)
    store.begin("k", {})
    next(tmp_path.glob("*.json")).write_text(text)
    with pytest.raises(Unavailable):
        store.done("k")
