"""The environment variables that are settings, and those that only look so."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from pydantic import BaseModel

from autoscaler.errors import UsageError
from autoscaler.settings.model import DELIMITER, PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OTHER_VARIABLES = frozenset({"AUTOSCALER_NO_NUMBA"})
"""Variables of this program that are no settings of the daemon."""

_SERVICE_LINK = re.compile(r"(^|_)SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")


def variables() -> tuple[str, ...]:
    """Return the names of all environment variables that are settings, sorted."""
    return tuple(sorted(_names(Settings, PREFIX)))


def _names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{variable}{DELIMITER}")
        yield variable


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise a `UsageError` for variables that look like settings and are none."""
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
        variable for variable in known if not any(other.startswith(f"{variable}{DELIMITER}") for other in known)
    )
    # without the prefix that all have in common, or everything would be near
    bare = {variable.removeprefix(PREFIX) for variable in known}
    meant = near(name.upper().removeprefix(PREFIX), bare).replace("mean ", f"mean {PREFIX}")
    return f"environment variable {name}: is no setting{meant}; known: {', '.join(single)}"


def near(word: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest of the known words was meant; empty if none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
