"""One request to the API server: one deadline over all of it, JSON out, and every fault as a `ClusterError`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kubernetes.client.exceptions import ApiException, OpenApiException
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError

from autoscaler.errors import ClusterError, ConflictError, TargetMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from urllib3 import BaseHTTPResponse

_CHUNK_BYTES = 1 << 18
_SHORTEST_SECONDS = 0.001
_BODY_CHARACTERS = 300


class Deadline(NamedTuple):
    """A moment that a call must not outlive."""

    at: float
    """In seconds of `clock`."""
    seconds: float
    """How long it was at the start, for messages."""
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(clock() + seconds, seconds, clock)

    @property
    def left_seconds(self) -> float:
        """What is left, never negative."""
        return max(0.0, self.at - self.clock())

    def check(self) -> None:
        """Raise TimeoutError once nothing is left."""
        if self.left_seconds <= 0:
            raise TimeoutError


def exchange(
    what: str, operation: Callable[..., Any], *arguments: object, deadline: Deadline, **options: object
) -> dict[str, Any]:
    """Call one method of the official client and return its answer as plain JSON values.

    `what` names the call in messages: `list pods in namespace "inference"`. The client's models are passed by: the
    answer is parsed here, for its few fields, whatever version they are of.

    Raises:
        ConflictError: HTTP 409.
        TargetMissing: HTTP 404.
        ClusterError: anything else, with its cause.
    """
    if deadline.left_seconds <= 0:
        raise ClusterError(f"{what}: not asked, {deadline.seconds:g} s were over before")
    # A pair, never a number: client 31 to 36 ignore a timeout that is a float, and wait for ever.
    pair = (max(deadline.left_seconds, _SHORTEST_SECONDS),) * 2
    try:
        response = operation(*arguments, _preload_content=False, _request_timeout=pair, **options)
        answer = _parse(what, response, deadline)
    except ApiException as error:
        # status 0: TLS failed before there was an answer, and the reason is two lines
        raise refusal(what, int(error.status or 0), " ".join(str(error.reason).split()), error.body or "") from error
    except (HTTPError, OpenApiException, OSError, ValueError, TypeError) as error:
        raise ClusterError(f"{what}: {_describe(error, deadline)}") from error
    if not isinstance(answer, dict):
        raise ClusterError(f"{what}: the answer is not a JSON object: {str(answer)[:_BODY_CHARACTERS]}")
    return answer


def _parse(what: str, response: BaseHTTPResponse, deadline: Deadline) -> object:
    body = b"".join(_chunks(response, deadline))
    if not 200 <= response.status <= 299:
        raise refusal(what, response.status, str(response.reason or ""), body)
    answer: object = json.loads(body)
    return answer


def _chunks(response: BaseHTTPResponse, deadline: Deadline) -> Iterator[bytes]:
    """Yield the body as it comes; each read is limited by the socket's timeout, and their sum by the deadline."""
    try:
        while chunk := response.read1(_CHUNK_BYTES):
            yield chunk
            deadline.check()
    except BaseException:
        response.close()  # a half-read connection must not go back to the pool
        raise
    response.release_conn()


def refusal(what: str, status: int, reason: str, body: str | bytes) -> ClusterError:
    """Return the error for an HTTP status that is not a success, with the server's own words."""
    message = f"{what}: HTTP {status} {reason}: {_server_says(body)}" if status else f"{what}: {reason}"
    if status == 409:
        return ConflictError(message)
    if status == 404:
        return TargetMissing(message)
    return ClusterError(message)


def _server_says(body: str | bytes) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        status: Mapping[str, Any] = json.loads(text)
        return str(status["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:_BODY_CHARACTERS] or "no explanation"


def _describe(error: Exception, deadline: Deadline) -> str:
    if isinstance(error, NewConnectionError):
        return f"the API server cannot be reached: {error}"
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError | TimeoutError):
        return f"no answer within {deadline.seconds:g} s"
    if isinstance(error, ProtocolError):
        return f"the connection was cut: {error}"
    if isinstance(error, ValueError):
        return f"the answer is not JSON: {error}"
    return f"{type(error).__name__}: {error}"
