"""From the samples of an hour to rows of usage: what was offered and billed, and what work was given and used.

**Places** are what costs money: nodes, and groups whose nodes are not known one by one. A pool or a volume is a place of
one resource; a job that runs on no known place and says its own cost rate is one of its own. Nothing is billed twice: a group
is left out where its nodes are known, or where its jobs run on known nodes, and so is a pool that bears a group's name.

Where a place does not say how much it has, it has one unit. What its jobs do not account for of its measured use is
`unattributed` work. Where neither use nor jobs are known the whole capacity is `not measured`: used is nan, which is not idle.
"""

from dataclasses import dataclass

import pyarrow as pa

from scrimp.history.files import Folder
from scrimp.history.hours import Span, lay_hours
from scrimp.history.query import Limits, arrow, connect, run

UNATTRIBUTED = "unattributed"
NOT_MEASURED = "not measured"
TEAM = "coalesce(json_extract_string(nullif(labels, ''), '$.team'), '')"


@dataclass(frozen=True, slots=True)
class Rolled:
    """What an hour came to; `ticks` is how many samples it rests on."""

    usage: pa.Table
    work: pa.Table
    prices: pa.Table
    ticks: int


_PLACES = """
CREATE OR REPLACE TABLE places AS
SELECT name AS node, hours, "group" AS pool, instance_type, purchase_option, labels, price_per_hour AS price, 'node/' || name AS target,
  cores, memory_bytes / 1073741824.0 AS memory, gpus,
  cpu_utilization AS cpu_u, memory_utilization AS memory_u, gpu_utilization AS gpu_u
FROM h_node
UNION ALL
SELECT 'node_group/' || name, hours, name, instance_type, purchase_option, labels,
  coalesce(price_per_hour * size, cost_rate), 'node_group/' || name,
  CASE WHEN cpu_utilization IS NOT NULL THEN size END, CASE WHEN memory_utilization IS NOT NULL THEN size END,
  CASE WHEN gpu_utilization IS NOT NULL OR accelerator <> '' THEN size END,
  cpu_utilization, memory_utilization, gpu_utilization
FROM h_node_group g
WHERE NOT EXISTS (FROM h_node n WHERE n."group" = g.name)
  AND NOT EXISTS (FROM h_job j JOIN h_node n ON j.node = n.name WHERE j."group" = g.name)
"""

_OFFERS = """
CREATE OR REPLACE TABLE offers AS
SELECT node, hours, pool, instance_type, purchase_option, labels, target, 'cpu' AS resource, coalesce(cores, 1) AS capacity, cpu_u AS u
FROM places WHERE cores IS NOT NULL OR cpu_u IS NOT NULL
UNION ALL
SELECT node, hours, pool, instance_type, purchase_option, labels, target, 'memory', coalesce(memory, 1), memory_u
FROM places WHERE memory IS NOT NULL OR memory_u IS NOT NULL
UNION ALL
SELECT node, hours, pool, instance_type, purchase_option, labels, target, 'gpu', coalesce(gpus, 1), gpu_u
FROM places WHERE gpus > 0 OR (gpus IS NULL AND gpu_u IS NOT NULL)
"""

_PLACED = """
CREATE OR REPLACE TABLE placed AS
SELECT j.*, coalesce(n.node, g.node) AS place, coalesce(n.price, g.price) AS place_price, coalesce(n.cores, g.cores, 1) AS place_cores,
  coalesce(nullif(j."group", ''), n.pool, g.pool, '') AS pool
FROM h_job j
LEFT JOIN places n ON n.node = j.node AND n.target = 'node/' || j.node
LEFT JOIN places g ON n.node IS NULL AND g.node = 'node_group/' || j."group"
"""

_WORK = """
CREATE OR REPLACE TABLE work_on AS
SELECT place AS node, name, hours, pool, instance_type, purchase_option, operation, labels, resource, given, used FROM (
  SELECT *, 'cpu' AS resource, coalesce(greatest(cores, cores_used), cost_rate / nullif(place_price, 0) * place_cores) AS given,
    coalesce(cores_used, CASE WHEN cores IS NULL THEN cost_rate / nullif(place_price, 0) * place_cores END) AS used
  FROM placed WHERE place IS NOT NULL
  UNION ALL
  SELECT *, 'memory', greatest(memory_limit, memory_used) / 1073741824.0, memory_used / 1073741824.0 FROM placed WHERE place IS NOT NULL
  UNION ALL
  SELECT *, 'gpu', greatest(gpus, gpus_used), gpus_used FROM placed WHERE place IS NOT NULL
) WHERE given IS NOT NULL
"""

# What the jobs of an offer leave of it, as used or as not measured.
_REST = """
CREATE OR REPLACE TABLE rest AS
SELECT o.*, CASE WHEN u IS NOT NULL THEN '{unattributed}' ELSE '{not_measured}' END AS job,
  CASE WHEN u IS NOT NULL THEN greatest(capacity * u * o.hours - coalesce(j.used, 0), 0) ELSE capacity * o.hours END AS given_h,
  CASE WHEN u IS NOT NULL THEN greatest(capacity * u * o.hours - coalesce(j.used, 0), 0) ELSE 'nan'::DOUBLE END AS used_h
FROM offers o LEFT JOIN (
  SELECT node, resource, sum(coalesce(used, given) * hours) AS used FROM work_on GROUP BY ALL
) j ON j.node = o.node AND j.resource = o.resource
WHERE u IS NOT NULL OR j.node IS NULL
"""

_ROWS = """
SELECT node, pool, instance_type, purchase_option, '' AS job, '' AS operation, target, labels, 'node' AS resource,
  hours AS capacity, 0.0 AS allocated, 0.0 AS used, coalesce(round(price * hours * 1e6), 0)::BIGINT AS billed_micro
FROM places
UNION ALL
SELECT node, pool, instance_type, purchase_option, '', '', target, labels, resource, capacity * hours, 0, 0, 0 FROM offers
UNION ALL
SELECT node, pool, instance_type, purchase_option, name, operation, 'job/' || name, labels, resource, 0, given * hours,
  coalesce(used * hours, 'nan'::DOUBLE), 0 FROM work_on
UNION ALL
SELECT node, pool, instance_type, purchase_option, job, '', target, labels, resource, 0, given_h, used_h, 0 FROM rest
UNION ALL
SELECT 'pool/' || name, name, '', '', '', '', 'pool/' || name, labels, coalesce(nullif(resource, ''), 'other'),
  size * hours, 0, 0, coalesce(round(price_per_hour * size * hours * 1e6), 0)::BIGINT FROM own_pools
UNION ALL
SELECT 'pool/' || name, name, '', '', CASE WHEN utilization IS NULL THEN '{not_measured}' ELSE '{unattributed}' END, '', 'pool/' || name,
  labels, resource, 0, coalesce(allocated, utilization * size, size) * hours, coalesce(utilization * size * hours, 'nan'::DOUBLE), 0
FROM own_pools WHERE resource <> ''
UNION ALL
SELECT 'volume/' || name, '', '', '', '', '', 'volume/' || name, labels, 'storage', coalesce(size_bytes / 1073741824.0, 1) * hours, 0, 0,
  coalesce(round(price_per_hour * hours * 1e6), 0)::BIGINT FROM h_volume
UNION ALL
SELECT 'volume/' || name, '', '', '', CASE WHEN used IS NULL THEN '{not_measured}' ELSE '{unattributed}' END, '', 'volume/' || name, labels,
  'storage', 0, coalesce(used, size_bytes, 1073741824) / 1073741824.0 * hours, coalesce(used / 1073741824.0 * hours, 'nan'::DOUBLE), 0
FROM h_volume
UNION ALL
SELECT 'job/' || name, pool, instance_type, purchase_option, '', '', 'job/' || name, labels, resource, units * hours, 0, 0,
  round(cost_rate * hours * 1e6)::BIGINT FROM own_jobs
UNION ALL
SELECT 'job/' || name, pool, instance_type, purchase_option, name, operation, 'job/' || name, labels, resource, 0, units * hours, units * hours, 0
FROM own_jobs
"""

_OWN = """
CREATE OR REPLACE TABLE own_pools AS FROM h_pool p
WHERE NOT EXISTS (FROM places WHERE places.pool = p.name) AND NOT EXISTS (FROM h_job j WHERE j."group" = p.name AND j.name IN (SELECT name FROM placed WHERE place IS NOT NULL));
CREATE OR REPLACE TABLE own_jobs AS
SELECT *, CASE WHEN gpus > 0 THEN 'gpu' ELSE 'cpu' END AS resource,
  greatest(CASE WHEN gpus > 0 THEN gpus ELSE coalesce(cores, 0) END, CASE WHEN gpus > 0 THEN coalesce(gpus_used, 0) ELSE coalesce(cores_used, 0) END, 1e-6) AS units
FROM placed WHERE place IS NULL AND cost_rate IS NOT NULL
"""

_PRODUCED = """
SELECT name AS job, operation, labels, 'samples' AS unit, items_per_second * hours * 3600 AS quantity
FROM h_job WHERE items_per_second IS NOT NULL
UNION ALL
SELECT name, operation, labels, 'audio_hours', items_per_second * hours * TRY_CAST(json_extract_string(nullif(labels, ''), '$.audio_seconds_per_item') AS DOUBLE)
FROM h_job WHERE items_per_second IS NOT NULL AND TRY_CAST(json_extract_string(nullif(labels, ''), '$.audio_seconds_per_item') AS DOUBLE) > 0
"""

_PRICES = """
SELECT kind, key, zone, purchase_option, price FROM (
  SELECT 'node' AS kind, coalesce(nullif(instance_type, ''), name) AS key, zone, purchase_option, price_per_hour AS price FROM h_node
  UNION ALL SELECT 'node_group', coalesce(nullif(instance_type, ''), name), '', purchase_option, price_per_hour FROM h_node_group
  UNION ALL SELECT 'spot_market', coalesce(nullif(instance_type, ''), name), zone, 'spot', price_per_hour FROM h_spot_market
  UNION ALL SELECT 'pool', name, '', '', price_per_hour FROM h_pool
  UNION ALL SELECT 'volume', name, '', '', price_per_hour FROM h_volume
) WHERE price IS NOT NULL GROUP BY ALL ORDER BY ALL
"""


def roll_up(folder: Folder, span: Span, episodes: pa.Table, limits: Limits | None = None) -> "Rolled":
    """The rows of one hour, or of a part of it. `episodes` says which policy was in force on which `target`."""
    with connect(folder.root, limits or Limits(256, 1)) as link:
        ticks = lay_hours(link, folder, span)
        for statements in (_PLACES, _OFFERS, _PLACED, _WORK, _REST, _OWN):
            run(link, _filled(statements))
        link.register("episodes", episodes)
        times = (int(span.from_s), int(span.to_s))
        usage = arrow(
            link,
            f"""SELECT ?::BIGINT AS start_s, ?::BIGINT AS end_s, node, pool, instance_type, purchase_option, job, operation,
              {TEAM} AS team, coalesce(e.policy, p.policy, '') AS policy, resource, capacity, allocated, used, billed_micro, labels
            FROM ({_filled(_ROWS)}) r LEFT JOIN episodes e ON e.target = r.target LEFT JOIN episodes p ON p.target = 'node_group/' || r.pool
            ORDER BY node, resource, job""",
            times,
        )
        work = arrow(
            link,
            f"SELECT ?::BIGINT AS start_s, ?::BIGINT AS end_s, job, operation, {TEAM} AS team, unit, quantity, labels "
            f"FROM ({_PRODUCED}) ORDER BY job",
            times,
        )
        prices = arrow(link, f"SELECT ?::BIGINT AS start_s, * FROM ({_PRICES})", times[:1])
        return Rolled(usage, work, prices, ticks)


def _filled(sql: str) -> str:
    return sql.replace("{unattributed}", UNATTRIBUTED).replace("{not_measured}", NOT_MEASURED)
