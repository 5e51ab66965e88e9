"""What a worker measures of itself."""

import pytest

from scrimp.api import Stint
from scrimp.worker.meter import Meter


def test_rate_counts_the_wait_and_the_first_batch_whole() -> None:
    meter = Meter(window_s=60.0)
    meter.add(102.0, 10, 10.0, 2.0, 1.5, 300)
    meter.add(104.0, 10, 10.0, 1.0, 1.0, 200)
    rate, mean, p95, memory = meter.figures(110.0)
    assert rate == pytest.approx(2.0)
    assert (mean, p95, memory) == (1.5, 2.0, 300)


def test_batches_outside_the_window_are_forgotten() -> None:
    """A worker that stopped must not seem to work."""
    meter = Meter(window_s=10.0)
    meter.add(100.0, 1, 1.0, 1.0, 1.0, 1)
    assert meter.figures(110.0) == (None, None, None, None)
    meter.add(200.0, 1, 1.0, 1.0, 1.0, 1)
    meter.forget(200.0)
    assert meter.figures(200.0) == (None, None, None, None)


def test_a_stint_sums_all_batches_since_the_size_changed() -> None:
    """Longer than the window, so that what was done between two reports is their difference."""
    meter = Meter(window_s=1.0)
    meter.forget(90.0)
    meter.add(102.0, 10, 10.0, 2.0, 1.5, 300)
    meter.add(202.0, 12, 12.0, 3.0, 1.0, 300, joules=450.0)
    meter.failed()
    assert meter.stint == Stint(90.0, 2, 22, 22.0, 5.0, 13.0, 2.5, 1, 450.0)
    meter.forget(300.0)
    assert meter.stint == Stint(300.0)
