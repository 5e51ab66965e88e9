"""The built-in actions as declared: they fit the catalogue and each other."""

import pytest

from scrimp.api import Assign, Direction, Resize
from scrimp.config.catalogue import builtin_catalogue
from scrimp.model.types import BOOL
from scrimp_actions.specs import SPECS

KINDS = builtin_catalogue().kinds
ALL = [pytest.param(spec, id=spec.name) for spec in SPECS.values()]
DESIGN = {
    "scale_down scale_up resize_pool switch_to_spot switch_to_on_demand reduce_batch_size increase_batch_size",
    "tune_batch_size pause_non_critical resume_paused checkpoint request_capacity rescue schedule_job defragment",
    "recommend alert webhook run_command",
}


def test_every_action_of_the_design_is_there():
    """An unknown action is a compile error, so a missing one breaks policies."""
    assert set(SPECS) == {name for line in DESIGN for name in line.split()}


@pytest.mark.parametrize("spec", ALL)
def test_effects_name_fields_that_the_kind_has(spec):
    """What a plan shows as `before`, `after` and saving comes from these fields."""
    assert set(spec.kinds) <= set(KINDS)
    for kind in spec.kinds or ("node",):
        fields = KINDS[kind].fields
        match spec.effect_on(kind):
            case Resize() as effect:
                named = (effect.field, effect.price_field, effect.minimum_field, effect.maximum_field)
            case Assign() as effect:
                named = (effect.field, *effect.from_fields, effect.plus, effect.minus, effect.discount)
            case _:
                named = ()
        assert {name for name in named if name} <= set(fields)
        assert spec.unless is None or fields[spec.unless].type == BOOL


@pytest.mark.parametrize("spec", ALL)
def test_an_inverse_gives_back_what_was_taken(spec):
    """`undo` runs it: it must write the same aspect of the same kinds, the other way round."""
    if spec.inverse is None:
        return
    inverse = SPECS[spec.inverse]
    assert (inverse.inverse, inverse.writes, inverse.kinds) == (spec.name, spec.writes, spec.kinds)
    turned = {Direction.REDUCE: Direction.RESTORE, Direction.RESTORE: Direction.REDUCE}
    assert inverse.direction is turned.get(spec.direction, spec.direction)
    for kind in spec.kinds:
        there, back = spec.effect_on(kind), inverse.effect_on(kind)
        assert type(there) is type(back)
        assert getattr(there, "sign", 0) == -getattr(back, "sign", 0)


@pytest.mark.parametrize("spec", ALL)
def test_what_writes_nothing_cannot_reduce(spec):
    """Direction decides what may act blind, and what wins a conflict."""
    if spec.writes is None:
        assert spec.direction is Direction.NEUTRAL


@pytest.mark.parametrize("spec", ALL)
def test_parameters_hold_together(spec):
    """`one_of` names parameters; a choice is a choice between texts; each is documented."""
    names = [param.name for param in spec.params]
    assert len(set(names)) == len(names)
    assert set(spec.one_of) <= set(names)
    for param in spec.params:
        assert param.doc.endswith("."), param.name
        assert not param.choices or str(param.types[0]) == "string"


def test_pausing_never_touches_what_is_critical():
    """The name promises it."""
    assert SPECS["pause_non_critical"].unless == "critical"
