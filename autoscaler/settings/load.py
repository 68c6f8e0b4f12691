"""Settings from a file and the environment, and what is said of wrong ones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from autoscaler.errors import UsageError
from autoscaler.settings.model import DELIMITER, PREFIX, Settings
from autoscaler.settings.variables import near, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails


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
    refuse_unknown(environment)
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
        where = f"environment variable {PREFIX}{DELIMITER.join(location).upper()}"
    else:
        file = f"settings file {path}" if path else "settings"
        where = f"{file}: {'.'.join(location)}" if location else file
    if details["type"] == "extra_forbidden":
        known = _fields(location[:-1])
        return f"{where}: unknown field{near(location[-1], known)}; known here: {', '.join(known)}"
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
