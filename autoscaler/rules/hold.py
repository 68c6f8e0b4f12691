"""The highest count of a window, remembered as the few counts that can still become the highest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory


def hold(
    memory: Memory, count: int, window_seconds: float, now: float, key: str = "held"
) -> tuple[int, dict[str, str]]:
    """Return the highest count of the last `window_seconds`, this one included, and the memory entry that changes.

    Worked: after 5, 3, 4 only 5 and 4 are kept, for 3 will never be the highest again.
    """
    text = memory.get(key)
    entries = [entry.split(":") for entry in text.split(",")] if isinstance(text, str) and text else []
    kept = [(at, then) for at, then in entries if int(then) > count and now - float(at) <= window_seconds]
    highest = max((int(then) for _, then in kept), default=count)
    return highest, {key: ",".join([*(f"{at}:{then}" for at, then in kept), f"{now!r}:{count}"])}
