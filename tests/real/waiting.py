"""Waiting for what happens elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(read: Callable[[], T], holds: Callable[[T], bool], seconds: float = 30) -> T:
    """Return what is read as soon as it is as wanted; fail with the last that was read."""
    end = time.monotonic() + seconds
    while not holds(last := read()):
        assert time.monotonic() < end, last
        time.sleep(0.05)
    return last
