"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from tests.real.fixtures import control_plane
from tests.real.prometheus import prometheus_server

__all__ = ["control_plane", "prometheus_server"]
