"""SIGTERM and Ctrl-C: the first asks the daemon to stop, the second ends it at once, and so does the clock."""

from __future__ import annotations

import os
import signal
import threading

LIMIT_SECONDS = 9.5
"""Kubernetes is told that ten seconds are enough."""
_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


class Shutdown:
    """Waits for signals in a thread of its own, where setting an event is safe; make it before any other thread.

    Threads inherit the mask of their maker: one made earlier would get the signals instead.
    """

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self.event = threading.Event()
        self._limit_seconds = limit_seconds
        self._signal: signal.Signals | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        threading.Thread(target=self._wait, name="autoscaler-signals", daemon=True).start()

    @property
    def exit_code(self) -> int:
        """0 after SIGTERM, which is how a daemon is meant to end, and 130 after Ctrl-C."""
        return 128 + self._signal if self._signal is signal.SIGINT else 0

    def _wait(self) -> None:
        self._signal = signal.Signals(signal.sigwait(_SIGNALS))
        self.event.set()
        timer = threading.Timer(self._limit_seconds, os._exit, (1,))
        timer.daemon = True
        timer.start()
        os._exit(128 + signal.sigwait(_SIGNALS))
