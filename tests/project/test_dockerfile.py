"""The Dockerfile, carried out without a container engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.project.dockerfile import rebase, stages

if TYPE_CHECKING:
    from tests.project.conftest import Image


@pytest.fixture(scope="module")
def final(checkout: Path):
    """The stage that is shipped."""
    return stages((checkout / "Dockerfile").read_text())[-1]


def test_starts_from_what_was_built(image: Image, tmp_path: Path):
    """The entry point answers from the built environment alone, in an empty folder."""
    done = image.run(image.command[0], "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
    assert image.command == ["autoscaler", "run"]


def test_ships_no_installer(image: Image, tmp_path: Path):
    """The shipped environment has the product and its pinned needs, and neither pip nor the build tools."""
    script = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    listed = image.run(
        "python",
        "-c",
        script,
        folder=tmp_path,
    )
    names = set(listed.stdout.split())
    assert "inference-autoscaler" in names
    assert not names & {"pip", "setuptools", "hatchling", "pytest"}


def test_runs_as_a_number_that_is_not_root(final):
    """Kubernetes can verify runAsNonRoot only for a numeric user."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final.last("USER"))


def test_needs_no_shell(final):
    """Entry point and command are lists, and the shipped stage runs nothing."""
    assert final.last("ENTRYPOINT").startswith("[")
    assert final.last("CMD").startswith("[")
    assert not [instruction for instruction in final.instructions if instruction.word == "RUN"]


def test_copies_only_what_the_context_lets_through(checkout: Path):
    """Everything that COPY names is let into the context by .dockerignore."""
    allowed = {line[1:] for line in (checkout / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    first = stages((checkout / "Dockerfile").read_text())[0]
    named = [name for word, rest in first.instructions if word == "COPY" for name in rest.split()[:-1]]
    assert {name.rstrip("/").split("/")[0] for name in named} <= allowed


def test_absolute_paths_move_below_the_root():
    """Only whole absolute paths are moved: not those inside another path, an option's value or a URL."""
    assert rebase("/a/b -d /c x/d ./e /f/*.whl", Path("/tmp/r")) == "/tmp/r/a/b -d /tmp/r/c x/d ./e /tmp/r/f/*.whl"
