"""The wheel: all that the product needs is in it, and found from where it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from autoscaler import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from tests.project.conftest import Image

HEAVY = {
    "apscheduler",
    "kubernetes",
    "numba",
    "numpy",
    "prometheus_api_client",
    "prometheus_client",
    "pydantic",
    "requests",
    "rich",
    "structlog",
    "urllib3",
    "yaml",
}


@pytest.fixture(scope="module")
def names(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel that the checkout builds."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=clone, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_holds_every_module_and_its_types(names: set[str], clone: Path):
    """Each module of the package is there, and py.typed beside it."""
    modules = {str(path.relative_to(clone)) for path in (clone / "autoscaler").rglob("*.py")}
    assert modules <= names
    assert "autoscaler/py.typed" in names


@pytest.mark.parametrize(("folder", "inside"), [("policies", "_policies"), ("simulations", "_simulations")])
def test_holds_the_ready_made_documents(names: set[str], clone: Path, folder: str, inside: str):
    """policies/ and simulations/ travel inside the one import package."""
    documents = {path.name for path in (clone / folder).iterdir()}
    assert documents
    assert {f"autoscaler/{inside}/{name}" for name in documents} <= names


def test_leaves_everything_else_at_home(names: set[str]):
    """Nothing but the package and its metadata: site-packages gets one new name."""
    assert {name.split("/")[0] for name in names} == {"autoscaler", f"inference_autoscaler-{__version__}.dist-info"}


def test_help_loads_nothing_heavy(image: Image, tmp_path: Path):
    """`autoscaler --help` imports no client, no model and no number cruncher: it answers at once."""
    script = (
        "import sys\n"
        "from autoscaler.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as done: assert done.code == 0\n"
        "print('LOADED', *{name.split('.')[0] for name in sys.modules})\n"
    )
    done = image.run("python", "-c", script, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split("LOADED")[1].split())
    assert not loaded & HEAVY
    assert "typer" in loaded


@pytest.mark.parametrize("name", ["policies", "simulations"])
def test_the_library_is_found_where_it_is(image: Image, checkout: Path, tmp_path: Path, name: str):
    """The one look-up finds the folder inside an installed wheel, and beside the package in a checkout."""
    script = f"from autoscaler.documents import library; print(library.{name}())"
    installed = image.run("python", "-c", script, folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.strip() == str(
        next(image.root.glob("venv/lib/python3*/site-packages/autoscaler")) / f"_{name}"
    )
    here = subprocess.run([sys.executable, "-c", script], cwd=checkout, check=True, capture_output=True, text=True)
    assert here.stdout.strip() == str(checkout / name)


def test_a_policy_is_found_by_name_in_the_installed_library(image: Image, tmp_path: Path):
    """What `policyRef` names is there without any file of one's own."""
    script = "from autoscaler.documents import library as l; print(l.find(l.policies(), 'llm-interactive').read_text())"
    done = image.run("python", "-c", script, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "kind: ScalingPolicy" in done.stdout
