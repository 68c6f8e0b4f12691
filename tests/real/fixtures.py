"""Fixtures that start the real parts; a conftest imports those that its tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.real.control_plane import ControlPlane, find_programs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane, stopped at the end; its logs stay in pytest's folder for temporary files."""
    plane = ControlPlane(find_programs(), tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
