"""What a worker measures of itself."""

import pytest

from scrimp.worker.meter import Meter


def test_rate_counts_the_wait_and_the_first_batch_whole() -> None:
    meter = Meter(window_s=60.0)
    meter.add(102.0, 10, 2.0, 300)
    meter.add(104.0, 10, 1.0, 200)
    rate, mean, p95, memory = meter.figures(110.0)
    assert rate == pytest.approx(2.0)
    assert (mean, p95, memory) == (1.5, 2.0, 300)


def test_batches_outside_the_window_are_forgotten() -> None:
    """A worker that stopped must not seem to work."""
    meter = Meter(window_s=10.0)
    meter.add(100.0, 1, 1.0, 1)
    assert meter.figures(110.0) == (None, None, None, None)
    meter.add(200.0, 1, 1.0, 1)
    meter.forget()
    assert meter.figures(200.0) == (None, None, None, None)
