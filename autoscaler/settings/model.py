"""All settings of the daemon."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - pydantic looks the annotations up
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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

PREFIX = "AUTOSCALER_"
DELIMITER = "__"


def _words(value: object) -> object:
    """Return a text as the list that it is: with commas, or as JSON."""
    if not isinstance(value, str):
        return value
    if value.strip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    interval_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 15.0
    """Time between decisions. Default 15: an HPA's, and a common scrape interval; faster ticks see the same samples."""
    jitter_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Random delay of each tick, at most this. Default 1: many daemons do not ask one server in the same moment."""
    deadlines: Deadlines = Deadlines()
    documents: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)] = ()
    """Files or folders of documents. Default: none, then `run -f` must name them."""
    rule_files: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)] = ()
    """Python files with rules of your own. Default: none. Never in a document, for it is code."""
    namespaces: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], NoDecode, BeforeValidator(_words)] = ()
    """Namespaces whose documents are accepted. Default: all that the documents name."""
    dry_run: bool = False
    """Decide and say so, and write nothing, whatever the documents say. Default false: the documents' `mode`."""
    source: SourceKind = SourceKind.PROMETHEUS
    """`prometheus` (default) or `scrape`, which reads the pods directly and needs no Prometheus."""
    prometheus: Prometheus = Prometheus()
    scrape: Scrape = Scrape()
    kubernetes: Kubernetes = Kubernetes()
    listen: Listen = Listen()
    journal: Path | None = None
    """A file that every observation and decision is appended to, as JSON lines. Default: none is kept."""
    log_format: LogFormat = LogFormat.AUTO
    """`json`, `console`, or `auto` (default): console on a terminal, JSON elsewhere."""
    log_level: LogLevel = LogLevel.INFO
    """`debug`, `info` (default), `warning` or `error`."""

    @model_validator(mode="after")
    def _deadlines_fit(self) -> Self:
        if self.jitter_seconds >= self.interval_seconds:
            raise ValueError(
                f"jitter_seconds ({self.jitter_seconds:g}) must be below interval_seconds ({self.interval_seconds:g})"
            )
        return self
