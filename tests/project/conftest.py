"""The project as others get it: a copy of what git tracks, and what the Dockerfile makes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.project.dockerfile import build, clean_environment, command, stages
from tests.real.fixtures import control_plane
from tests.real.prometheus import prometheus_server

__all__ = ["control_plane", "prometheus_server"]

CHECKOUT = Path(__file__).parents[2]


class Image(NamedTuple):
    """What the Dockerfile built, on this machine."""

    root: Path
    command: list[str]

    def run(self, *arguments: str, folder: Path, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command with the image's environment first on the path."""
        return subprocess.run(
            arguments,
            check=False,
            cwd=folder,
            env=clean_environment(self.root / "venv" / "bin"),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
        )


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of pyproject.toml."""
    return CHECKOUT


@pytest.fixture(scope="session")
def tracked(checkout: Path) -> list[Path]:
    """Every file that git tracks and that is there, relative to the checkout; all that was not built, without git."""
    if not (checkout / ".git").exists():
        built = {"__pycache__", "build", "dist"}
        paths = (path.relative_to(checkout) for path in checkout.rglob("*") if path.is_file())
        return sorted(
            path for path in paths if not any(p in built or p.startswith((".venv", ".cache")) for p in path.parts)
        )
    # whoever runs the tests may not be the one who owns the folder
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (checkout / name).is_file()]


@pytest.fixture(scope="session")
def clone(checkout: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files as they are now: nothing that was built or left lying comes along."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def image(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The Dockerfile's build stage, carried out in an empty folder with environments of its own."""
    root = tmp_path_factory.mktemp("image")
    first, *_, final = stages((clone / "Dockerfile").read_text())
    build(first, clone, root)
    return Image(root, command(final))
