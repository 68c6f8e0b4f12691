"""Logs on standard error: JSON lines, or aligned text on a terminal; other libraries' lines look the same."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, TextIO

import structlog

from autoscaler.settings import LogFormat, LogLevel

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["HIDDEN", "LogFormat", "LogLevel", "configure", "hide_secrets"]

_QUIET = {"urllib3": logging.WARNING, "kubernetes": logging.WARNING, "apscheduler": logging.WARNING}
"""Libraries that tell every request, the bodies included, at lower levels."""

# a signal named timeToFirstToken is none
_SECRET_KEY = re.compile(r"(^|[_-])token$|authorization|password|secret|api_?key", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{4,}|(?<=://)[^/@\s:]+:[^/@\s]+(?=@)")
HIDDEN = "[hidden]"


def configure(
    form: LogFormat = LogFormat.AUTO, level: LogLevel | int = LogLevel.INFO, stream: TextIO | None = None
) -> None:
    """Send structlog's and the standard library's lines, alike, to `stream` or to standard error."""
    stream = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty()) if console else structlog.processors.JSONRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper() if isinstance(level, str) else level)
    for name, at_least in _QUIET.items():
        logging.getLogger(name).setLevel(max(root.level, at_least))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def hide_secrets(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Return the fields without tokens and passwords, whether the field's name gives them away or their look."""
    return {
        key: HIDDEN if _SECRET_KEY.search(key) and value else _without_secrets(value) for key, value in fields.items()
    }


def _without_secrets(value: object) -> object:
    if isinstance(value, str):
        return _SECRET_VALUE.sub(HIDDEN, value)
    if isinstance(value, dict):
        return {
            key: HIDDEN if _SECRET_KEY.search(str(key)) and item else _without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value
