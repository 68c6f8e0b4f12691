"""The one look-up for the shipped `policies/` and `simulations/`: in a checkout, and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import autoscaler

_PACKAGE = Path(autoscaler.__file__).parent
SUFFIXES = (".yaml", ".yml", ".json")


def policies() -> Path:
    """Return the folder of the shipped ScalingPolicy documents."""
    return _folder("policies")


def simulations() -> Path:
    """Return the folder of the shipped Scenario documents."""
    return _folder("simulations")


def files(folder: Path) -> tuple[Path, ...]:
    """Return a folder's documents, sorted by name; hidden files and other folders are not looked at.

    A mounted ConfigMap is such a folder: its files are links into a hidden one.
    """
    return tuple(
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def find(folder: Path, name: str) -> Path | None:
    """Return the document file of a name in a folder of the library; None if there is none."""
    return next((path for path in files(folder) if path.stem == name), None) if folder.is_dir() else None


def _folder(name: str) -> Path:
    """Return the folder: a wheel carries it as `autoscaler/_<name>`, in a checkout it stands beside the package."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name
