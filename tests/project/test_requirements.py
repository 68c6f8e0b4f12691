"""What is pinned: everything, by hash, alike in every file, from no particular host."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("build", "dev", "runtime", "sim")


def pins(path: Path) -> dict[str, list[str]]:
    """Return the hashes by requirement, its marker included: `numpy==2.4.6 ; python_full_version < '3.12'`."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        requirement, *hashes = re.split(r"\s+--hash=", line)
        found[requirement] = hashes
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_pin_is_exact_and_hashed(checkout: Path, name: str):
    """With --require-hashes pip accepts the file: one version and SHA-256 hashes for each requirement."""
    found = pins(checkout / "requirements" / f"{name}.txt")
    assert found
    for requirement, hashes in found.items():
        assert [s.operator for s in Requirement(requirement).specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("name", FILES)
def test_no_pin_names_a_host(checkout: Path, name: str):
    """The files say what, never from where: whoever installs chooses the index."""
    text = (checkout / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("\\\n    --hash", ""), flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["build", "runtime", "sim"])
def test_what_ships_is_what_is_tested(checkout: Path, name: str):
    """Each pin stands in dev.txt too, with the same version and hashes."""
    tested = pins(checkout / "requirements" / "dev.txt")
    assert {
        one: hashes
        for one, hashes in pins(checkout / "requirements" / f"{name}.txt").items()
        if tested.get(one) != hashes
    } == {}


@pytest.mark.parametrize(("name", "extras"), [("runtime", []), ("sim", ["sim"]), ("dev", ["sim", "tune", "dev"])])
def test_pins_satisfy_the_project(checkout: Path, name: str, extras: list[str]):
    """Whatever pyproject.toml asks for is pinned to a version that it allows."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    pinned: dict[str, list[str]] = {}
    for one in map(Requirement, pins(checkout / "requirements" / f"{name}.txt")):
        pinned.setdefault(one.name, []).extend(s.version for s in one.specifier)
    for requirement in map(Requirement, wanted):
        assert requirement.name in pinned, requirement
        assert all(requirement.specifier.contains(version) for version in pinned[requirement.name]), requirement
