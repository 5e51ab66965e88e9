"""`scrimp.yaml` and the catalogue in, validated by schema.

The catalogue has a door of its own, `scrimp.config.catalogue`, which is light.
"""

from scrimp.config.load import FILE_NAME, load_config, parse_config, place_of, unused_params
from scrimp.config.settings import (
    BudgetSettings,
    Config,
    Keep,
    Secret,
    Section,
    Webhook,
    barred,
    defaults,
)
from scrimp.config.uses import FilesUsed

__all__ = [
    "FILE_NAME",
    "BudgetSettings",
    "Config",
    "FilesUsed",
    "Keep",
    "Secret",
    "Section",
    "Webhook",
    "barred",
    "defaults",
    "load_config",
    "parse_config",
    "place_of",
    "unused_params",
]
