"""Do what a Dockerfile says without a container engine: absolute paths become temporary folders."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """One instruction: `RUN`, and the rest of its line with continuations joined."""

    word: str
    rest: str


class Stage(NamedTuple):
    """From one FROM to the next."""

    base: str
    instructions: tuple[Instruction, ...]

    def last(self, word: str) -> str:
        """Return what the last instruction of this kind says."""
        return [instruction.rest for instruction in self.instructions if instruction.word == word][-1]


def stages(text: str) -> list[Stage]:
    """Split a Dockerfile into its stages; comment lines fall away and continued lines are joined."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, bare.replace("\\\n", " ").splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage(rest, ()))
        else:
            found[-1] = found[-1]._replace(instructions=(*found[-1].instructions, Instruction(word, rest.strip())))
    return found


def command(stage: Stage) -> list[str]:
    """Return what a container of this stage starts when nothing is said."""
    return [*json.loads(stage.last("ENTRYPOINT")), *json.loads(stage.last("CMD"))]


def build(stage: Stage, context: Path, root: Path) -> None:
    """Carry out COPY, WORKDIR and RUN with every absolute path moved below `root`, which is empty at first.

    The `python` of the base image is the one that runs the tests, outside any virtual environment.
    """
    here = root
    for word, rest in stage.instructions:
        match word:
            case "WORKDIR":
                here = root / rest.lstrip("/")
                here.mkdir(parents=True)
            case "COPY":
                *sources, target = rest.split()
                for source in sources:
                    copy(context / source, here / target, into=target.endswith("/") and not source.endswith("/"))
            case "RUN":
                run(rebase(rest, root), here)
            case _:
                raise AssertionError(f"the test does not know {word}: teach it")


def rebase(shell: str, root: Path) -> str:
    """Put `root` before each absolute path of a shell command."""
    return re.sub(r"(?<![\w./*-])/(?=\w)", f"{root}/", shell)


def copy(source: Path, target: Path, *, into: bool) -> None:
    """Copy as COPY does: a folder's content, or a file into a folder, without what `.dockerignore` keeps out."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (target if into else target.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def run(shell: str, folder: Path) -> None:
    """Run one line as the image's shell would, without this environment's Python in the way."""
    done = subprocess.run(
        ["/bin/sh", "-c", shell], check=False, cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{shell}\n{done.stdout}\n{done.stderr}"


def clean_environment(*first_on_path: Path) -> dict[str, str]:
    """Return this process's environment without its virtual environment, and with the base interpreter as `python`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "AUTOSCALER_", "MAKE", "MFLAGS"))
    }
    base = Path(sys.base_prefix) / "bin"
    kept["PATH"] = os.pathsep.join([*map(str, first_on_path), str(base), "/usr/bin", "/bin"])
    return kept
