"""Fixtures for sources: servers that are stopped, and sources that are closed, at the end of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.real.prometheus import prometheus_server
from tests.sources.fakes import FakePrometheus, FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.sources import Source

__all__ = ["prometheus_server"]
AnySource = TypeVar("AnySource", bound="Source")


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    """A fake Prometheus whose replies the test sets."""
    server = FakePrometheus()
    yield server
    server.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    """A way to start servers that answer as the test tells."""
    servers: list[FakeServer] = []

    def start(answer: Callable[..., None]) -> FakeServer:
        servers.append(FakeServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def closing() -> Iterator[Callable[[AnySource], AnySource]]:
    """A way to have a source closed at the end of the test."""
    sources: list[Source] = []

    def keep(source: AnySource) -> AnySource:
        sources.append(source)
        return source

    yield keep
    for source in sources:
        source.close()
