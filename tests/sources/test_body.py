"""Reading a response to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import urllib3

from autoscaler.errors import SourceError
from autoscaler.sources.body import read_body
from tests.sources.fakes import drip, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sources.fakes import FakeServer


def test_a_dripping_body_is_left_when_its_time_is_over(serve: Callable[..., FakeServer]) -> None:
    """No single wait is long, and the server never ends: the sum of the waits is what counts."""
    server = serve(lambda handler, _: drip(handler, server))
    with urllib3.PoolManager() as pool:
        response = pool.request("GET", server.url, preload_content=False, retries=False, timeout=10)
        with pytest.raises(SourceError, match=r"still coming after 0\.1 s"):
            read_body(response, 0.1)
    assert not server.released.is_set()


def test_a_body_is_read_whole(serve: Callable[..., FakeServer]) -> None:
    """Up to the bound, and not one byte more."""
    server = serve(lambda handler, _: send(handler, b"x" * 200_000))
    with urllib3.PoolManager() as pool:

        def read(most_bytes: int) -> bytes:
            response = pool.request("GET", server.url, preload_content=False, retries=False, timeout=10)
            return read_body(response, 10.0, most_bytes)

        assert len(read(200_000)) == 200_000
        with pytest.raises(SourceError, match="longer than 199999 bytes"):
            read(199_999)
