"""Files to load."""

from __future__ import annotations

import pytest


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a trace file of a name and gives its path."""

    def write(content, name="trace.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
