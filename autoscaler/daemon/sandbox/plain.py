"""The same story as plain lines, for pipes and log files: one a change, and one every few seconds. No escape codes."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.daemon.sandbox.scene import clock_text, plain_reason, quantity
from autoscaler.daemon.sandbox.traffic import chapter_start

if TYPE_CHECKING:
    from autoscaler.daemon.sandbox.scene import Change, Scene, Setting


def opening(setting: Setting) -> tuple[str, ...]:
    """Return the first lines: what runs, how fast, where its pages are, and what may be edited."""
    daemon, gateway = f"http://{setting.daemon_address}/metrics", f"http://{setting.gateway_address}/metrics"
    return (
        f"autoscaler sandbox: {setting.target}, {setting.hardware} (simulated), {setting.speed:g}x",
        f"  metrics: {daemon} (daemon), {gateway} (gateway)",
        f"  documents, read again when they change: {setting.documents}",
    )


def news(before: Scene | None, scene: Scene) -> tuple[str, ...]:
    """Return what changed from one scene to the next, in the order of time: chapters begun and counts changed."""
    known = 0 if before is None else len(before.changes)
    told = [(change.at_seconds, change_line(change)) for change in scene.changes[known:]]
    if before is None or before.chapter != scene.chapter:
        begun = chapter_start(scene.elapsed_seconds, scene.setting.story)
        told.append((begun, f"[{clock_text(begun)}] -- {scene.setting.story[scene.chapter].caption}"))
    return tuple(line for _, line in sorted(told, key=itemgetter(0)))


def change_line(change: Change) -> str:
    """Return one change of the count with its reason: `[04:15] 1 -> 3 (Demand): 103 pending / 24 per replica`."""
    decision, dry = change.decision, "would be " if change.dry_run else ""
    count = f"{decision.current} -> {dry}{decision.replicas} replicas"
    return f"[{clock_text(change.at_seconds)}] {count} ({decision.reason}): {plain_reason(decision)}"


def status(scene: Scene) -> str:
    """Return the state of the fleet in one line."""
    fleet, latest = scene.fleet, scene.latest
    counts = ", ".join(f"{fleet.count(life)} {life}" for life in Life if fleet.count(life)) or "no replica"
    at = f"[{clock_text(scene.elapsed_seconds)}]"
    if latest is None:
        return f"{at} {counts}"
    measures = (
        f"{latest.rate:.1f} req/s",
        f"queue {quantity(latest.queue, '{:.0f}')}",
        f"{scene.setting.latency_name} {quantity(latest.latency_seconds, '{:.2f} s')}",
        f"GPU {quantity(latest.gpu_percent, '{:.0f} %')}",
    )
    return f"{at} {counts} | {' | '.join(measures)}"
