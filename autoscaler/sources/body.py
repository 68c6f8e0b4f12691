"""Reading a response to its end, but neither for ever nor without bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from autoscaler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

_CHUNK_BYTES = 1 << 16
MOST_BYTES = 64 << 20
"""Above the buckets of ten thousand pods; a page that is longer is not what was asked for."""


def read_body(
    response: urllib3.BaseHTTPResponse,
    timeout_seconds: float,
    most_bytes: int = MOST_BYTES,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Return the decoded body; SourceError when it is too long, or still coming after `timeout_seconds`.

    A client's own timeout is for one wait on the socket, and a server that drips never exceeds it.
    """
    try:
        return b"".join(_chunks(response, timeout_seconds, most_bytes, clock))
    except BaseException:
        # The rest of the body stands in the connection: nobody may get it for the next request.
        response.close()
        raise


def _chunks(
    response: urllib3.BaseHTTPResponse, timeout_seconds: float, most_bytes: int, clock: Callable[[], float]
) -> Iterator[bytes]:
    end = clock() + timeout_seconds
    size = 0
    while chunk := response.read1(_CHUNK_BYTES, decode_content=True):
        size += len(chunk)
        if size > most_bytes:
            raise SourceError(f"the answer is longer than {most_bytes} bytes")
        if clock() > end:
            raise SourceError(f"the answer was still coming after {timeout_seconds:g} s")
        yield chunk
