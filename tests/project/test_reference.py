"""docs/reference says what the code says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

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


def test_edited_pages_are_found_and_mended(checkout: Path, tmp_path: Path):
    """Pages that say something else are named, and writing again restores them; others are left alone."""
    shutil.copytree(checkout / "docs", tmp_path / "docs")
    (tmp_path / "autoscaler").symlink_to(checkout / "autoscaler")
    assert generate(tmp_path).returncode == 0
    pages = {page: page.read_text() for page in sorted((tmp_path / "docs" / "reference").glob("*.md"))}
    written = {page: text for page, text in pages.items() if text.startswith("<!-- Written by `make docs`")}
    assert len(pages) > len(written) >= 6
    for page, text in pages.items():
        page.write_text(text.replace("# ", "! ", 1))
    found = generate(tmp_path, "--check")
    assert found.returncode == 1
    assert {page for page in pages if page.name in found.stdout} == set(written)
    assert generate(tmp_path).returncode == 0
    assert {page for page, text in pages.items() if page.read_text() == text} == set(written)
