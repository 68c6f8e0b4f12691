"""One-line faults in the engine's stages, and whether its tests notice: `python -m tests.engine.mutants [MODULE ...]`.

Every mutant is applied to a copy of the package, and the tests of `tests/engine` and `tests/conformance` run against
it. A survivor is a rule that nobody checks; the exit code is the number of survivors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Mutant(NamedTuple):
    """One line of one stage, and what it becomes."""

    module: str
    before: str
    after: str


MUTANTS = (
    Mutant("behavior", "if now - at < period_seconds:", "if now - at <= period_seconds:"),
    Mutant("behavior", "if age < down_window:", "if age <= down_window:"),
    Mutant("behavior", "elif age > down_window and age > up_window:", "elif age >= down_window and age > up_window:"),
    Mutant("behavior", "if age < up_window and replicas < least:", "if age < down_window and replicas < least:"),
    Mutant("behavior", "math.ceil(start * (1 + value / 100))", "int(start * (1 + value / 100))"),
    Mutant("behavior", "int(start * (1 - value / 100))", "math.ceil(start * (1 - value / 100))"),
    Mutant("behavior", "+ change_in_period(downs, period_seconds, now)", "+ 0"),
    Mutant("behavior", "lowest = min(scale_down_limit", "lowest = max(scale_down_limit"),
    Mutant("behavior", "now - event.at > longest_period_seconds", "now - event.at >= longest_period_seconds"),
    Mutant("fleet", "elif now - since > limit_seconds:", "elif now - since < limit_seconds:"),
    Mutant("fleet", "if leaves or phase in _ENDED:", "if phase in _ENDED:"),
    Mutant("fleet", "len(revisions) > 1,", "len(revisions) > 2,"),
    Mutant("fleet", "if not replica.ready or replica.restarts or", "if not replica.ready or"),
    Mutant("fleet", "return max(startup.stuck_after_seconds,", "return min(startup.stuck_after_seconds,"),
    Mutant("history", "GAP_INTERVALS = 3", "GAP_INTERVALS = 30"),
    Mutant("history", "elif state.fingerprint != spec.fingerprint:", "elif False:"),
    Mutant("history", "changed = changed._replace(recommendations=seeded)", "pass"),
    Mutant(
        "history", "current - before, now)._replace(last_replicas=current)", "0, now)._replace(last_replicas=current)"
    ),
    Mutant("history", "if spec.mode is not Mode.ACTIVE:", "if spec.mode is Mode.ACTIVE:"),
    Mutant("history", "hold_until=now + spec.foreign_hold_seconds", "hold_until=now"),
    Mutant("history", "if replica.ready and replica.name not in known", "if replica.ready"),
    Mutant(
        "sizing",
        "if current > 0 and 1.0 - down <= demand / current",
        "if current > 0 and 1.0 - down < demand / current",
    ),
    Mutant("stages", "stable = min(stable, state.asked_replicas)", "pass"),
    Mutant("stages", "if bounds.stages else None", "if False else None"),
    Mutant("sizing", "return math.ceil(demand - _ROUNDING)", "return math.ceil(demand)"),
    Mutant("sizing", "return math.ceil(demand - _ROUNDING)", "return round(demand)"),
    Mutant("sizing", "if role is Role.GUARD and count <= current:", "if False:"),
    Mutant("sizing", "if best < current and asked.blocked:", "if best < current and False:"),
    Mutant("sizing", "if best < current and not fleet.known:", "if best < current and False:"),
    Mutant("sizing", "if count > best:", "if count < best or best < 0:"),
    Mutant("sizing", "unsized = sizing > 0 and knowing == 0", "unsized = sizing > knowing"),
    Mutant("sizing", "if wanted >= current:", "if wanted > current:"),
    Mutant("sizing", "if fleet.rollout:", "if False:"),
    Mutant("stuck", "if not fleet.known or fleet.rollout:", "if not fleet.known:"),
    Mutant("stuck", "if fleet.unschedulable:", "if False:"),
    Mutant("stuck", "goal = wanted + 1", "goal = wanted"),
    Mutant("stuck", "pause = min(2 * backoff.pause_seconds,", "pause = min(backoff.pause_seconds,"),
    Mutant("stuck", "if now < backoff.probe_at:", "if now <= backoff.probe_at:"),
    Mutant("stuck", "if goal <= current:", "if goal < 0:"),
    Mutant("idle", "moved = total is not None and total != evidence.completed", "moved = False"),
    Mutant("idle", "gap_seconds <= GAP_INTERVALS * spec.interval_seconds", "gap_seconds <= 9 * spec.interval_seconds"),
    Mutant("idle", "if fleet.ready == 0:", "if False:"),
    Mutant("idle", "if now - signal.taken_at > GAP_INTERVALS", "if now - signal.taken_at > 9 * GAP_INTERVALS"),
    Mutant("idle", "and fleet.starting == 0", "and True"),
    Mutant("idle", "and fleet.stuck == 0", "and True"),
    Mutant(
        "idle", "and now - evidence.idle_since >= zero.idle_after", "and now - evidence.idle_since > zero.idle_after"
    ),
    Mutant("idle", "if signal.value > limit:", "if signal.value > limit + 1:"),
    Mutant(
        "idle",
        "count = max(1, math.ceil(held / zero.target_per_replica))",
        "count = max(1, int(held / zero.target_per_replica))",
    ),
    Mutant("idle", "if now - since < zero.blind_after_seconds:", "if now - since <= zero.blind_after_seconds:"),
    Mutant(
        "stages",
        "lowest, highest = max(1, bounds.least), bounds.most",
        "lowest, highest = bounds.least, bounds.most",
    ),
    Mutant("stages", "desired = min(stable, highest)", "desired = stable"),
    Mutant("stages", "count = max(limited.replicas, lowest)", "count = limited.replicas"),
    Mutant(
        "stages",
        "held_up = bool(asked.blocked or asked.floor or fallback_floor)",
        "held_up = bool(asked.floor or fallback_floor)",
    ),
    Mutant("stages", "or count != 1 or current != 1", "or count != 1"),
    Mutant("stages", "if asked.ceiling is not None and asked.ceiling < wanted.replicas:", "if False:"),
    Mutant(
        "stages", "count = max(limited.replicas, least, bounds.least)", "count = max(limited.replicas, bounds.least)"
    ),
    Mutant("stages", "count = max(limited.replicas, least, bounds.least)", "count = max(limited.replicas, least)"),
    Mutant("stages", "if wanted.replicas < bounds.least:", "if False:"),
    Mutant("stages", "(0, bounds.most), (spec.scale_up", "(0, spec.max_replicas), (spec.scale_up"),
    Mutant("stages", "and spec.zero_allowed and not bounds.least:", "and spec.zero_allowed:"),
    Mutant("stages", "max(1, bounds.least), bounds.most", "max(1, spec.min_replicas), bounds.most"),
    Mutant("stages", "max(1, bounds.least), bounds.most", "max(1, bounds.least), spec.max_replicas"),
    Mutant("bounds", "least = min(max(least, lowest), most)", "least = max(least, lowest)"),
    Mutant("bounds", "least = min(max(least, lowest), most)", "least = min(lowest, most)"),
    Mutant("bounds", "most = max(min(most, highest), least)", "most = min(most, highest)"),
    Mutant("bounds", "most = max(min(most, highest), least)", "most = max(highest, least)"),
    Mutant("bounds", "most if proposal.most is None", "10 if proposal.most is None"),
    Mutant("sizing", "elif kind is Kind.BOUNDS:", "elif False:"),
    Mutant(
        "stages",
        "now - unsized_since >= spec.fallback.after_seconds",
        "now - unsized_since > spec.fallback.after_seconds",
    ),
    Mutant("engine", "if zero is None or fleet.ready or gateway is None", "if zero is None or gateway is None"),
    Mutant("engine", "if now < state.hold_until:", "if now <= state.hold_until:"),
    Mutant("state", "evidence=Evidence(), last_at=None", "last_at=None"),
)


def killed(mutant: Mutant, folder: Path) -> bool:
    """Return whether a test fails when the package in `folder` has the mutant's line.

    Raises:
        ValueError: the line is not in the module any more.
    """
    path = folder / "autoscaler" / "engine" / f"{mutant.module}.py"
    original = path.read_text()
    if mutant.before not in original:
        raise ValueError(f"{path.name}: {mutant.before!r} does not stand there any more")
    path.write_text(original.replace(mutant.before, mutant.after, 1))
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-qx",
        "-p",
        "no:cacheprovider",
        "tests/engine",
        "tests/conformance",
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "HYPOTHESIS_PROFILE": "ci"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    path.write_text(original)
    return run.returncode == 1


def main(modules: list[str]) -> int:
    """Print each mutant of the modules, or of all, with its fate, and return the number of survivors."""
    chosen = [mutant for mutant in MUTANTS if not modules or mutant.module in modules]
    survivors = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("autoscaler", "tests", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        for mutant in chosen:
            dead = killed(mutant, folder)
            survivors += not dead
            print(
                f"{'killed  ' if dead else 'SURVIVED'} {mutant.module}: {mutant.before}  ->  {mutant.after}", flush=True
            )
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants killed")
    return survivors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
