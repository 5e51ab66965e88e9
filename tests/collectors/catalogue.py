"""A small catalogue, so that these tests do not move with the built-in one."""

from scrimp.model.catalogue import Catalogue, FieldSpec, KindSpec
from scrimp.model.types import BOOL, BYTES, COUNT, DURATION, RATIO, STRING, money_per_hour

FIELDS = {
    "size": COUNT,
    "gpu_utilization": RATIO,
    "queue_oldest_age": DURATION,
    "memory": BYTES,
    "price_per_hour": money_per_hour("USD"),
    "busy": BOOL,
    "zone": STRING,
}
SPECS = {
    name: FieldSpec(name, kind, "", maximum=1.0 if kind == RATIO else None) for name, kind in FIELDS.items()
}
CATALOGUE = Catalogue(
    {
        "node_group": KindSpec("node_group", "", SPECS),
        "job": KindSpec("job", "", SPECS),
        "fleet": KindSpec("fleet", "", SPECS, singleton=True),
    },
    {},
)
