"""docs/reference says what the code says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator of the checkout in `folder`."""
    command = [sys.executable, str(folder / "docs" / "generate.py"), *arguments]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)


def test_the_reference_is_up_to_date(checkout: Path):
    """Whoever changes a model, a setting, a metric or a command runs `make docs` too."""
    done = generate(checkout, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["documents.md", "metrics.md", "rules.md"])
def test_an_edited_page_is_found_and_mended(checkout: Path, tmp_path: Path, name: str):
    """A page that says something else is named, and writing again restores it."""
    shutil.copytree(checkout / "docs", tmp_path / "docs")
    (tmp_path / "autoscaler").symlink_to(checkout / "autoscaler")
    page = tmp_path / "docs" / "reference" / name
    assert generate(tmp_path).returncode == 0
    right = page.read_text()
    page.write_text(right.replace("|", "!", 1))
    found = generate(tmp_path, "--check")
    assert found.returncode == 1
    assert name in found.stdout
    assert generate(tmp_path).returncode == 0
    assert page.read_text() == right
