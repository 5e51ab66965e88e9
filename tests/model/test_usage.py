"""Usage in columns: what it takes to lay rows into them, and to take rows out."""

import numpy as np
import pytest

from scrimp.model.usage import GPU, Period, UsageRow, usage_table


def test_rows_keep_their_texts_and_numbers_when_some_are_taken():
    rows = [
        UsageRow(0, 3600, node="n1", resource=GPU, capacity=8.0, billed_micro=-5),
        UsageRow(0, 3600, node="n1", job="j", operation="log_mel", resource=GPU, allocated=2.0, used=0.5),
        UsageRow(3600, 7200, node="n2", resource=GPU, capacity=4.0, billed_micro=7),
    ]
    taken = usage_table(rows).take(np.array([False, True, True]))
    assert taken.node.texts() == ["n1", "n2"]
    assert taken.operation.texts() == ["log_mel", ""]
    assert taken.is_charge().tolist() == [False, True]
    assert taken.billed_micro.tolist() == [0, 7]
    assert taken.allocated.tolist() == [2.0, 0.0]


def test_an_empty_table_has_columns_that_can_be_asked():
    table = usage_table([])
    assert len(table) == 0
    assert table.is_charge().tolist() == []


def test_only_dimensions_are_dimensions():
    with pytest.raises(KeyError):
        usage_table([]).dimension("billed_micro")


def test_a_period_says_its_span_or_its_label():
    assert str(Period(0, 3600)) == "1970-01-01T00:00Z/1970-01-01T01:00Z"
    assert str(Period(0, 3600, "first hour")) == "first hour"
