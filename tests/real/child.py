"""A program that a test starts: watched while it starts, proven to be the one that listens, stopped for certain."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL_SECONDS = 0.05
_LISTENS = "0A"


class ChildError(RuntimeError):
    """The program ended, did not get ready, or something else listens where it should."""


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Child:
    """One running program, its output in `log`."""

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self, ready: Callable[[], bool], port: int, timeout_seconds: float = 60) -> None:
        """Return when `ready` says so, and the program itself listens on the port.

        Raises:
            ChildError: it ended, took too long, or another program listens there.
        """
        self.wait_until(ready, timeout_seconds)
        if not self.listens_on(port):
            raise ChildError(f"{self.name}: another program listens on port {port}")

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float = 60) -> None:
        """Return when the condition holds; fail as soon as the program has ended."""
        end = time.monotonic() + timeout_seconds
        while not condition():
            if self.process.poll() is not None:
                raise ChildError(f"{self.name} ended with status {self.process.returncode}; {self.last_words()}")
            if time.monotonic() > end:
                raise ChildError(f"{self.name} was not ready after {timeout_seconds:g} s; {self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def listens_on(self, port: int) -> bool:
        """Say whether this very process holds a listening TCP socket on the port."""
        return bool(_listening_inodes(port) & _socket_inodes(self.process.pid))

    def last_words(self) -> str:
        """Return the log's path and its last lines."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return f"its log is {self.log}:\n" + "\n".join(lines)

    def stop(self, timeout_seconds: float = 10) -> int:
        """End the program, by force if it does not end by itself, and return its status."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(timeout_seconds)


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _socket_inodes(pid: int) -> set[str]:
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))  # noqa: PTH115
            if found:
                inodes.add(found[1])
    return inodes
