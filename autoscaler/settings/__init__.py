"""The daemon's own settings: a YAML file, then `AUTOSCALER_*` environment variables over it.

`AUTOSCALER_INTERVAL_SECONDS=30`, and with two underscores for what stands inside a group:
`AUTOSCALER_PROMETHEUS__URL=http://prometheus:9090`. Lists have commas: `AUTOSCALER_NAMESPACES=inference,batch`. What is
scaled, and how, stands in the documents and not here.
"""

from autoscaler.settings.groups import (
    Deadlines,
    Kubernetes,
    Listen,
    LogFormat,
    LogLevel,
    Prometheus,
    Scrape,
    SourceKind,
)
from autoscaler.settings.load import load_settings
from autoscaler.settings.model import PREFIX, Settings
from autoscaler.settings.variables import OTHER_VARIABLES, variables

__all__ = [
    "OTHER_VARIABLES",
    "PREFIX",
    "Deadlines",
    "Kubernetes",
    "Listen",
    "LogFormat",
    "LogLevel",
    "Prometheus",
    "Scrape",
    "Settings",
    "SourceKind",
    "load_settings",
    "variables",
]
