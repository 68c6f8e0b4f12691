"""The same story as plain lines, for pipes and log files: one a change, and one every few seconds. No escape codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.daemon.sandbox.scene import clock_text, plain_reason, quantity

if TYPE_CHECKING:
    from autoscaler.daemon.sandbox.scene import Scene, Setting
    from autoscaler.engine.decision import Decision


def opening(setting: Setting) -> str:
    """Return the first line: what runs, how fast, and where its pages are."""
    return (
        f"autoscaler sandbox: {setting.target}, {setting.hardware} (simulated), {setting.speed:g}x; "
        f"http://{setting.daemon_address}/metrics (daemon), http://{setting.gateway_address}/metrics (gateway)"
    )


def news(before: Scene | None, scene: Scene) -> tuple[str, ...]:
    """Return what changed from one scene to the next: chapters begun and counts changed."""
    lines = []
    if before is None or before.chapter != scene.chapter:
        lines.append(f"{_at(scene)} -- {scene.setting.story[scene.chapter].caption}")
    known = 0 if before is None else len(before.changes)
    lines += scene.changes[known:]
    return tuple(lines)


def change_line(decision: Decision, elapsed_seconds: float) -> str:
    """Return one change of the count with its reason: `[04:15] 1 -> 3 (Demand): 103 pending / 24 per replica`."""
    count = f"{decision.current} -> {decision.replicas} replicas"
    return f"[{clock_text(elapsed_seconds)}] {count} ({decision.reason}): {plain_reason(decision)}"


def status(scene: Scene) -> str:
    """Return the state of the fleet in one line."""
    fleet, latest = scene.fleet, scene.latest
    counts = ", ".join(f"{fleet.count(life)} {life}" for life in Life if fleet.count(life)) or "no replica"
    if latest is None:
        return f"{_at(scene)} {counts}"
    measures = (
        f"{latest.rate:.1f} req/s",
        f"queue {quantity(latest.queue, '{:.0f}')}",
        f"P99 TTFT {quantity(latest.ttft_seconds, '{:.2f} s')}",
        f"GPU {quantity(latest.gpu_percent, '{:.0f} %')}",
    )
    return f"{_at(scene)} {counts} | {' | '.join(measures)}"


def _at(scene: Scene) -> str:
    return f"[{clock_text(scene.elapsed_seconds)}]"
