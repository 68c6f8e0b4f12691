"""Read what a page tells its reader to do.

A `console` block is commands after `$ `, each followed by what it prints, where `...` stands for anything. Every one
is run, unless the line before it says why not: `<!-- not run: takes ten minutes -->`. After `<!-- on a cluster -->` it
is run where there is one. A block after `<!-- file: NAME -->` is what the reader should write to that file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Step(NamedTuple):
    """One thing to do: write a file, or run a command and compare what it prints."""

    file: str
    """The file to write; empty for a command."""
    text: str
    """The file's content, or the command."""
    printed: str = ""
    """What the command prints, with `...` for anything."""
    on_a_cluster: bool = False


def steps(page: Path) -> list[Step]:
    """Return what a page tells its reader to do, in its order."""
    found: list[Step] = []
    for block in _BLOCK.finditer(page.read_text()):
        note, body = block["note"] or "", block["body"]
        if note.startswith("file: "):
            found.append(Step(note.removeprefix("file: "), body))
        elif block["kind"] == "console" and not note.startswith("not run: "):
            found += [step._replace(on_a_cluster=note == "on a cluster") for step in commands(body)]
    return found


def commands(body: str) -> list[Step]:
    r"""Return the commands of a block; a line that ends in `\` goes on in the next."""
    found: list[Step] = []
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        found.append(Step("", "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).strip()))
    return found


def prints(expected: str, got: str) -> bool:
    """Whether `got` is what a page shows: `...` stands for anything, blanks at the ends of lines for nothing."""
    pattern = ".*".join(re.escape(_bare(part)) for part in expected.split("..."))
    return not expected or re.fullmatch(pattern, _bare(got), flags=re.DOTALL) is not None


def _bare(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")
