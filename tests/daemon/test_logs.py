"""Log lines: JSON, alike whoever wrote them, and never with a secret."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from autoscaler.daemon import logs


@pytest.fixture
def stream():
    """A stream that is no terminal, with logging put back as it was afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream):
    """Return the lines as objects."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_there_is_no_terminal(stream):
    """Our own lines and other libraries' have the same shape: time, level, logger, event."""
    logs.configure(stream=stream)
    structlog.get_logger("ours").info("decision", target="inference/a", replicas=3)
    logging.getLogger("theirs").warning("retrying %s", "soon")
    ours, theirs = lines(stream)
    assert ours["target"] == "inference/a"
    assert ours["replicas"] == 3
    assert theirs["event"] == "retrying soon"
    assert set(theirs) <= set(ours) | {"event"}
    assert (theirs["logger"], theirs["level"]) == ("theirs", "warning")


def test_talkative_libraries_are_quiet(stream):
    """urllib3, kubernetes and apscheduler say nothing below a warning, whatever the level."""
    logs.configure(level=logs.LogLevel.DEBUG, stream=stream)
    for name in ("urllib3.connectionpool", "kubernetes.client.rest", "apscheduler.scheduler"):
        logging.getLogger(name).debug("body: secret")
        logging.getLogger(name).info("body: secret")
        logging.getLogger(name).warning("gone")
    assert [line["event"] for line in lines(stream)] == ["gone"] * 3


def test_exceptions_stay_on_one_line(stream):
    """A traceback is a field, not forty lines."""
    logs.configure(stream=stream)
    try:
        int("in a plug-in")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    (line,) = lines(stream)
    assert "in a plug-in" in line["exception"]


def test_secrets_are_hidden(stream):
    """Tokens and passwords are hidden by their field's name and by their look, ours and others', nested too."""
    logs.configure(stream=stream)
    structlog.get_logger("ours").warning(
        "asked http://user:hunter2@prometheus:9090",
        authorization="abc123",
        headers={"X": "Bearer eyJhbGciOi.J9", "token": "t0k3n"},
        signals={"timeToFirstToken": 1.5},
    )
    logging.getLogger("theirs").error("401 with Authorization: Bearer eyJhbGciOi.J9")
    text = stream.getvalue()
    for secret in ("hunter2", "abc123", "eyJhbGciOi", "t0k3n"):
        assert secret not in text
    assert lines(stream)[0]["signals"] == {"timeToFirstToken": 1.5}
    assert "prometheus:9090" in text


def test_console_on_demand(stream):
    """Text for people has no braces."""
    logs.configure(logs.LogFormat.CONSOLE, stream=stream)
    structlog.get_logger("ours").info("decision", replicas=3)
    assert "replicas=3" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
