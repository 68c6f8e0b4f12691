from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.errors import DocumentError
from tests.real.fixtures import control_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.errors import Problem

__all__ = ["control_plane"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A way to write a file into the working directory, so that messages name it without a folder."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "docs.yaml") -> str:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


@pytest.fixture
def problems(file):
    """The messages for a text, one each; empty if nothing is wrong with it."""

    def of(text: str | bytes, name: str = "docs.yaml", extra: Sequence[str] = ()) -> list[str]:
        found: tuple[Problem, ...] = ()
        try:
            compile_all(load([file(text, name), *extra]))
        except DocumentError as error:
            found = error.problems
        return [str(problem) for problem in found]

    return of
