"""The program on a real pseudo-terminal: it takes the screen, gives it back, and leaves a summary."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

ENTER, LEAVE, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
LIMIT_SECONDS = 60.0


class Terminal:
    """A process on a pseudo-terminal of that size."""

    def __init__(self, columns, rows, *arguments):
        self.main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        command = [sys.executable, "-m", "autoscaler.cli.main", "run", "--sandbox", *arguments]
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        environment = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "CI")}
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment)
        os.close(other)
        self.output = b""

    def read_until(self, words):
        """Read until these bytes came, or to the end."""
        end = time.monotonic() + LIMIT_SECONDS
        while words not in self.output:
            assert time.monotonic() < end, self.output[-2000:]
            if not self._read(1.0) and self.process.poll() is not None:
                break
        assert words in self.output, self.output[-2000:]

    def finish(self):
        """Read to the end and return the exit code."""
        end = time.monotonic() + LIMIT_SECONDS
        while self._read(1.0) or self.process.poll() is None:
            assert time.monotonic() < end, self.output[-2000:]
        return self.process.wait()

    def close(self):
        """End the process if it runs."""
        self.process.kill()
        self.process.wait()
        os.close(self.main)

    def _read(self, seconds):
        if not select.select([self.main], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.main, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.output += data
        return data


@pytest.fixture
def terminal():
    """Start the sandbox on a terminal; ended after the test whatever happens."""
    started = []

    def start(columns, rows, *arguments):
        started.append(Terminal(columns, rows, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_screen_is_taken_and_given_back(terminal):
    """It draws on the alternate screen, and leaves it, the cursor shown, before the summary."""
    run = terminal(80, 24, "--speed", "100", "--duration", "2")
    assert run.finish() == 0
    before, _, after = run.output.partition(LEAVE)
    assert ENTER in before
    assert b"What the daemon measures" in before
    assert SHOW_CURSOR in run.output
    assert b"every figure is simulated" in after
    assert b"every figure is simulated" not in before
    assert b"Traceback" not in run.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_with_a_summary(terminal, number):
    """Ctrl-C and SIGTERM end it at once, in order: the screen is given back, the summary is there."""
    run = terminal(80, 24, "--speed", "30")
    run.read_until(b"What the daemon measures")
    run.process.send_signal(number)
    assert run.finish() == 0
    assert b"every figure is simulated" in run.output.partition(LEAVE)[2]


def test_small_terminal_gets_plain_lines(terminal):
    """Below 80 by 24 there is no room for the screen: plain lines, and no escape codes."""
    run = terminal(60, 20, "--speed", "100", "--duration", "2")
    assert run.finish() == 0
    assert b"\x1b" not in run.output
    assert b"every figure is simulated" in run.output
