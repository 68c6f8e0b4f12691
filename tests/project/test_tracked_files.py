"""What git tracks is the same for everybody: no path of one machine, no host of one registry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# taken apart, so that this file does not find itself
FOLDERS = "|".join(("work", "root", "farm", "home/[a-z]+", "opt/(?:wheels|pypi)"))
HOSTS = "|".join((r"pypi\.", r"files\.pythonhosted\.", r"deb\.debian\.", r"proxy\.golang\.", r"registry\.npmjs\."))
MACHINE = re.compile(rf"(?<![\w.}}$])/(?:{FOLDERS})/|-(?:-extra)?-index-url[ =]|https?://(?:[\w-]+\.)*(?:{HOSTS})")


def test_no_path_of_a_machine_and_no_registry(checkout: Path, tracked: list[Path]):
    """Nothing tracked works, or reads, only where it was written."""
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in tracked
        for number, line in enumerate((checkout / name).read_text(errors="ignore").splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    "line", ["see /" + "root/x", "'/" + "home/jo/x'", "pip --index" + "-url x", "https://py" + "pi.org/simple"]
)
def test_such_a_line_would_be_found(line: str):
    """The pattern knows what it is looking for."""
    assert MACHINE.search(line)


def test_nothing_built_is_tracked(tracked: list[Path]):
    """Caches, environments, wheels and bytecode stay out."""
    assert not [name for name in tracked if {"__pycache__", ".venv", "build", "dist"} & set(name.parts[:-1])]
    assert not [name for name in tracked if name.suffix in {".pyc", ".whl", ".so", ".log"}]
