"""Price vectors: what an hour of each resource is worth, fitted to a provider's catalogue of machines.

Method: non-negative least squares (Lawson and Hanson 1974) of a machine's hourly price on its cores, its memory and its GPUs
by model, in relative terms, so that a small machine counts as much as a large one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scrimp.model.costs import PriceBook, PriceVector
from scrimp.model.money import Money
from scrimp.model.usage import CPU, GPU, MEMORY, Floats


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine type of a catalogue. `accelerator` is the model of its GPUs, "" where it has none."""

    instance_type: str
    cores: float
    memory_gib: float
    price_per_hour: Money
    accelerator: str = ""
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class FitRules:
    """When a fitted vector may be used: the miss of the machine's own price, and the fit's condition number."""

    error_max: float = 0.25
    condition_max: float = 1e4


def fit_prices(catalogue: Sequence[Machine], rules: FitRules) -> PriceBook:
    """A vector for every machine whose price the fit explains within `error_max`; the others are left to bill shares.

    Give it machines that are priced alike: of one provider and region, and of one family where families differ much. Where
    these do not tell their resources apart (all with 4 GiB a core), nobody gets a vector. Machines of each currency are
    fitted by themselves.
    """
    vectors: dict[str, PriceVector] = {}
    for currency in sorted({machine.price_per_hour.currency for machine in catalogue}):
        machines = [
            one
            for one in catalogue
            if one.price_per_hour.currency == currency and one.price_per_hour.amount > 0
        ]
        vectors.update(_fit(machines, currency, rules))
    return PriceBook(vectors)


def _fit(machines: Sequence[Machine], currency: str, rules: FitRules) -> Mapping[str, PriceVector]:
    from scipy.optimize import nnls  # noqa: PLC0415 - costs 0.2 s, and only a fit needs it

    models = sorted({one.accelerator for one in machines if one.gpus > 0})
    price = np.array([one.price_per_hour.amount for one in machines])
    offers: Floats = np.array(
        [
            [one.cores, one.memory_gib, *(one.gpus * (one.accelerator == model) for model in models)]
            for one in machines
        ]
    ).reshape(len(machines), 2 + len(models))
    relative = offers / price[:, None]
    scale = np.linalg.norm(relative, axis=0)
    if not len(machines) or not scale.all():
        return {}
    scaled = relative / scale
    if len(machines) < scaled.shape[1] or np.linalg.cond(scaled) > rules.condition_max:
        return {}
    worth = nnls(scaled, np.ones(len(machines)))[0] / scale
    errors = np.abs(offers @ worth / price - 1)
    found = {}
    for machine, error in zip(machines, errors.tolist(), strict=True):
        if error > rules.error_max:
            continue
        per_unit = {CPU: float(worth[0]), MEMORY: float(worth[1])}
        if machine.gpus > 0:
            per_unit[GPU] = float(worth[2 + models.index(machine.accelerator)])
        found[machine.instance_type] = PriceVector(currency, per_unit, "catalogue", error)
    return found
