"""The groups of settings, each with its defaults and their reasons."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - pydantic looks the annotations up
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_SCRAPES_PER_WINDOW = 4


def _address(url: str) -> str:
    """Return an address unchanged, if it can be one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as http://prometheus:9090")
    if "@" in parts.netloc:
        raise ValueError("must hold no password: use username_file and password_file")
    return url


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_GROUP = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SourceKind(StrEnum):
    """Where samples come from."""

    PROMETHEUS = "prometheus"
    SCRAPE = "scrape"


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least important line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Prometheus(BaseModel):
    """How to ask a Prometheus server, or anything that speaks its query API."""

    model_config = _GROUP

    url: Annotated[str, AfterValidator(_address)] = "http://localhost:9090"
    """Base address, without `/api/v1`. Default: the server on this machine."""
    query_deadline_seconds: Seconds = 5.0
    """The longest that one query may take. Default 5: a third of a tick, so that a slow one does not cost the next."""
    scrape_interval_seconds: Seconds = 15.0
    """How often Prometheus scrapes the backends. Default 15. After three of these a sample is no evidence any more."""
    rate_window_seconds: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 120.0
    """How much of the past rates and quantiles look at. Default 120: at least four scrapes even at 30 s."""
    token_file: Path | None = None
    """A file with a bearer token, read again for each request, for it rotates. Default: none is sent."""
    ca_file: Path | None = None
    """A bundle of certificate authorities, PEM. Default: the system's."""
    username_file: Path | None = None
    """A file with the user name of basic authentication. Default: none."""
    password_file: Path | None = None
    """A file with its password. Default: none."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.username_file is None) != (self.password_file is None):
            raise ValueError("username_file and password_file belong together")
        if self.token_file is not None and self.username_file is not None:
            raise ValueError("must have a token_file or a username_file, not both")
        if self.rate_window_seconds < _SCRAPES_PER_WINDOW * self.scrape_interval_seconds:
            raise ValueError(
                f"rate_window_seconds ({self.rate_window_seconds:g}) must be at least {_SCRAPES_PER_WINDOW} times "
                f"scrape_interval_seconds ({self.scrape_interval_seconds:g}), or one lost scrape empties it"
            )
        return self


class Scrape(BaseModel):
    """How to read the pods' own `/metrics`."""

    model_config = _GROUP

    pod_deadline_seconds: Seconds = 3.0
    """The longest that one pod may take. Default 3: a page is answered in milliseconds or not at all."""
    rate_window_seconds: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 120.0
    """How much of the past rates and quantiles look at. Default 120: eight ticks of 15 s."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    """Pods that are read at the same time. Default 32: hundreds of pods within a tick, with few threads."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where pods serve `/metrics`. Default: the preset's usual port."""


class Kubernetes(BaseModel):
    """How to reach the API server."""

    model_config = _GROUP

    kubeconfig: Path | None = None
    """A kubeconfig file. Default: the pod's service account inside a cluster, else $KUBECONFIG or ~/.kube/config."""


class Deadlines(BaseModel):
    """How long each part of a tick may take; together they should fit into an interval."""

    model_config = _GROUP

    observe_seconds: Seconds = 4.0
    """For reading targets and pods from the API server. Default 4: a hung API server costs a tick, never two."""
    collect_seconds: Seconds = 5.0
    """For collecting all signals. Default 5: what has not answered by then is unknown in this tick."""
    act_seconds: Seconds = 4.0
    """For writing the new counts. Default 4: the next tick is the retry."""


class Listen(BaseModel):
    """Where `/metrics`, `/healthz` and `/readyz` are served."""

    model_config = _GROUP

    host: Annotated[str, Field(min_length=1)] = "0.0.0.0"  # noqa: S104 - kubelet and Prometheus come from outside the pod
    """Address to listen at. Default: all, for kubelet and Prometheus come from outside."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen at; 0 for any free one. Default 8080: no privilege needed."""
