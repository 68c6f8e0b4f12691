"""The daemon's own settings: a YAML file, then `AUTOSCALER_*` environment variables over it.

`AUTOSCALER_INTERVAL_SECONDS=30`, and with two underscores for what stands inside a group:
`AUTOSCALER_PROMETHEUS__URL=http://prometheus:9090`. Lists have commas: `AUTOSCALER_NAMESPACES=inference,batch`. What is
scaled, and how, stands in the documents and not here.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

PREFIX = "AUTOSCALER_"
_DELIMITER = "__"
_SCRAPES_PER_WINDOW = 4
OTHER_VARIABLES = frozenset({"AUTOSCALER_NO_NUMBA"})
"""Variables of this program that are no settings of the daemon."""

_SERVICE_LINK = re.compile(r"(^|_)SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")


def _words(value: object) -> object:
    """Return a text as the list that it is: with commas, or as JSON."""
    if not isinstance(value, str):
        return value
    if value.strip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


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


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=_DELIMITER,
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


class _Environment(EnvSettingsSource):
    """The variables of a given environment instead of the process's own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in environment.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def load_settings(path: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a file (all defaults without one) with the environment's variables over them.

    `environment` is the process's own by default.

    Raises:
        UsageError: the file does not exist or is no mapping, a field or variable is unknown, or a value is not allowed.
    """
    environment = os.environ if environment is None else environment
    _refuse_unknown(environment)
    from_file = {} if path is None else _read(Path(path))
    try:
        from_environment = _Environment(environment)()
        return Settings.model_validate(_merge(from_file, from_environment))
    except SettingsError as error:
        name = re.sub(r'.*field "(\w+)".*', r"\1", str(error)).upper()
        raise UsageError(f"environment variable {PREFIX}{name}: must be JSON: {error.__cause__}") from error
    except ValidationError as error:
        lines = [_say(details, from_environment, path) for details in error.errors(include_url=False)]
        raise UsageError("\n".join(lines)) from None


def variables() -> tuple[str, ...]:
    """Return the names of all environment variables that are settings, sorted."""
    return tuple(sorted(_names(Settings, PREFIX)))


def _names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{variable}{_DELIMITER}")
        yield variable


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = set(variables())
    unknown = [
        name
        for name, value in environment.items()
        if name.upper().startswith(PREFIX)
        and name.upper() not in known | OTHER_VARIABLES
        and not _of_a_service(name, value)
    ]
    if unknown:
        raise UsageError("\n".join(_say_unknown(name, known) for name in sorted(unknown)))


def _of_a_service(name: str, value: str) -> bool:
    """Return whether kubelet made the variable for a Service whose name begins with `autoscaler`.

    Every pod gets these: AUTOSCALER_SERVICE_HOST, AUTOSCALER_PORT=tcp://10.0.0.1:8080 and their kin.
    """
    return bool(_SERVICE_LINK.search(name)) or value.startswith(("tcp://", "udp://", "sctp://"))


def _say_unknown(name: str, known: set[str]) -> str:
    single = sorted(
        variable for variable in known if not any(other.startswith(f"{variable}{_DELIMITER}") for other in known)
    )
    # without the prefix that all have in common, or everything would be near
    bare = {variable.removeprefix(PREFIX) for variable in known}
    near = _near(name.upper().removeprefix(PREFIX), bare).replace("mean ", f"mean {PREFIX}")
    return f"environment variable {name}: is no setting{near}; known: {', '.join(single)}"


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"settings file {path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"settings file {path}: must be YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"settings file {path}: must be a mapping, not a {type(content).__name__}")
    return {str(name): value for name, value in content.items()}


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, where `over` wins field by field inside groups too."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _say(details: ErrorDetails, from_environment: Mapping[str, Any], path: Path | str | None) -> str:
    """Return where a wrong value came from, what it is, and what is allowed."""
    location = [str(step) for step in details["loc"]]
    if _holds(from_environment, location):
        where = f"environment variable {PREFIX}{_DELIMITER.join(location).upper()}"
    else:
        file = f"settings file {path}" if path else "settings"
        where = f"{file}: {'.'.join(location)}" if location else file
    if details["type"] == "extra_forbidden":
        known = _fields(location[:-1])
        return f"{where}: unknown field{_near(location[-1], known)}; known here: {', '.join(known)}"
    message = details["msg"].removeprefix("Value error, ").replace("Input should", "must")
    found = "" if isinstance(details["input"], (dict, BaseModel)) else f" (found {_shown(details['input'])})"
    return f"{where}: {message[:1].lower()}{message[1:]}{found}"


def _holds(values: Mapping[str, Any], location: list[str]) -> bool:
    inside: Any = values
    for step in location:
        if not isinstance(inside, dict) or step not in inside:
            return not isinstance(inside, dict) and bool(location)
        inside = inside[step]
    return bool(location)


def _fields(location: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for step in location:
        field = model.model_fields.get(step)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)


def _shown(value: object) -> str:
    """Return a value for a message, without a password that somebody wrote into an address."""
    return re.sub(r"//[^/@\s]*@", "//...@", repr(value))[:200]
