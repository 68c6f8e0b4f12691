"""The rooms of the package stay apart: what may import what, and which rooms see no clock and no file."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PURE = ("engine", "rules", "peers", "signals", "simulator")
IMPURE_CALLS = {"open", "print", "input", "now", "today", "utcnow", "read_text", "write_text", "read_bytes", "urandom"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with this environment's tools on the checkout in `folder`."""
    program = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())",
    ]
    return subprocess.run([*program, "--no-cache"], check=False, cwd=folder, capture_output=True, text=True)


def modules(checkout: Path, *rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield every module of some rooms with its syntax tree."""
    for room in rooms:
        for path in sorted((checkout / "autoscaler" / room).rglob("*.py")):
            yield path.relative_to(checkout), ast.parse(path.read_text())


def test_every_contract_is_kept(checkout: Path):
    """The layers, the clients' two rooms and the pure rooms are as pyproject.toml says."""
    done = lint_imports(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("engine/__init__.py", "import autoscaler.daemon", "Layers, top to bottom"),
        ("signals/__init__.py", "import autoscaler.rules", "Layers, top to bottom"),
        ("daemon/__init__.py", "import kubernetes", "Only sources and cluster know third-party clients"),
        ("engine/__init__.py", "import time", "The pure rooms import no clock, no file and no socket library"),
    ],
)
def test_a_forbidden_import_is_found(clone: Path, tmp_path: Path, module: str, line: str, contract: str):
    """One wrong line in one module breaks the contract that is there to forbid it."""
    shutil.copytree(clone / "autoscaler", tmp_path / "autoscaler")
    shutil.copy2(clone / "pyproject.toml", tmp_path)
    with (tmp_path / "autoscaler" / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def test_the_engine_holds_to_the_standard_library(checkout: Path):
    """Whatever a module of the engine imports is the standard library's or the engine's."""
    ours = ("autoscaler.engine", "autoscaler.errors")
    foreign = []
    for path, tree in modules(checkout, "engine"):
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    imported = [alias.name for alias in names]
                case ast.ImportFrom(module=module, level=level):
                    assert level == 0, f"{path}: relative import"
                    imported = [module or ""]
                case _:
                    continue
            foreign += [
                f"{path}: {name}"
                for name in imported
                if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(ours)
            ]
    assert not foreign


def test_the_pure_rooms_ask_for_no_time_and_no_file(checkout: Path):
    """No call in a pure room reads a clock, prints, or touches a file: time and data are arguments."""
    calls = [
        f"{path}:{node.lineno}: {ast.unparse(node.func)}"
        for path, tree in modules(checkout, *PURE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in IMPURE_CALLS
    ]
    assert not calls
