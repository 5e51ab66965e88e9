"""All functions of the language."""

from collections.abc import Mapping

from scrimp.functions.signature import Function


def _by_name(*functions: Function) -> Mapping[str, Function]:
    return {function.name: function for function in functions}


SCALARS = _by_name(
    Function("min", "scalar", "The least of two values or more.", "min(size, 10)", 2, None),
    Function("max", "scalar", "The greatest of two values or more.", "max(2, size / 2)", 2, None),
    Function("abs", "scalar", "The value without its sign.", "abs(size - 10)"),
    Function("floor", "scalar", "The next whole number that is not above.", "floor(size / 2)"),
    Function("ceil", "scalar", "The next whole number that is not below.", "ceil(size / 2)"),
    Function("round", "scalar", "The nearest whole number, halves up.", "round(size / 2)"),
    Function("clamp", "scalar", "The value, but within two bounds.", "clamp(size, 2, 10)", 3, 3),
)
WINDOWS = _by_name(
    Function("avg", "window", "The mean of the samples.", "avg(gpu_utilization) over 15m"),
    Function("min", "window", "The least sample.", "min(gpu_utilization) over 15m"),
    Function("max", "window", "The greatest sample.", "max(gpu_utilization) over 15m"),
    Function("sum", "window", "The sum of the samples.", "sum(queue_depth) over 15m"),
    Function("count", "window", "How many samples there are.", "count(queue_depth) over 15m"),
    Function("last", "window", "The newest sample.", "last(queue_depth) over 15m"),
    Function("p50", "window", "The median.", "p50(queue_depth) over 15m"),
    Function("p90", "window", "The 90th percentile.", "p90(queue_depth) over 15m"),
    Function("p95", "window", "The 95th percentile.", "p95(queue_depth) over 15m"),
    Function("p99", "window", "The 99th percentile.", "p99(queue_depth) over 15m"),
    Function("stddev", "window", "The standard deviation.", "stddev(queue_depth) over 15m"),
    Function("increase", "window", "How far a counter rose.", "increase(queue_depth) over 1h"),
    Function("rate", "window", "How fast a counter rose.", "rate(queue_depth) over 1h"),
    Function("slope", "window", "How fast the least-squares line rises.", "slope(queue_depth) over 1h"),
    Function(
        "forecast", "window", "The least-squares line at a later time.", "forecast(queue_depth, 1h) over 6h"
    ),
)
AGGREGATES = _by_name(
    Function("count", "aggregate", "How many rows there are.", "count(job where job.critical)"),
    Function("sum", "aggregate", "The sum of a field.", "sum(job.cost_rate where job.critical)"),
    Function("avg", "aggregate", "The mean of a field.", "avg(job.cost_rate where job.critical)"),
    Function("min", "aggregate", "The least value of a field.", "min(job.cost_rate where job.critical)"),
    Function("max", "aggregate", "The greatest value of a field.", "max(job.cost_rate where job.critical)"),
    Function("any", "aggregate", "Whether it holds for some row.", "any(job where job.critical)"),
    Function(
        "all", "aggregate", "Whether it holds for every row of the group.", "all(job where job.critical)"
    ),
)
