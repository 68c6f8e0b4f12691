"""Run the scoreboard, or write its page.

Usage: python -m benchmarks.scoreboard run --traces FOLDER --out FILE.jsonl [--scenes conv wcup] [--cold-starts 80 300]
                                           [--deciders defaults peers carried ours references] [--jobs 2] [--label WORD]
       python -m benchmarks.scoreboard table --cells FILE.jsonl
       python -m benchmarks.scoreboard verify --traces FOLDER --cells FILE.jsonl [--every 50] [--scenes conv70 code]

A run goes on where another one stopped: cells that are in the file are not played again. Cells of ours carry a version,
by default a digest of the policy and of the code that decides by it, so that they are played again after a change.
`table` adds what was played to the published table: of ours all rows are replaced, of the others those played again.
`verify` plays some of the peers' cells again and says which came out differently.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import sys
from pathlib import Path

from benchmarks.scoreboard.cases import ALL_SEEDS, CASES, COLD_STARTS, case

POLICY = "llm-interactive"
DECIDERS = ("defaults", "peers", "carried", "references", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="python -m benchmarks.scoreboard",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="play what is missing")
    runner.add_argument("--traces", type=Path, required=True, help="the folder of the public traces")
    runner.add_argument("--out", type=Path, required=True, help="the cells, one JSON object a line")
    runner.add_argument("--scenes", nargs="*", default=[one.scene for one in CASES])
    runner.add_argument("--cold-starts", nargs="*", type=int, default=list(COLD_STARTS))
    runner.add_argument("--deciders", nargs="*", choices=DECIDERS, default=list(DECIDERS))
    runner.add_argument(
        "--seeds", nargs="*", type=int, default=list(ALL_SEEDS), help="of defaults and ours; ours may have more"
    )
    runner.add_argument("--jobs", type=int, default=1)
    runner.add_argument("--policy", default=POLICY, help="ours: a policy of the library, or a file")
    runner.add_argument("--label", help="the version of ours")
    writer = commands.add_parser("table", help="write the page, its plots and the complete table")
    writer.add_argument("--cells", type=Path, required=True)
    writer.add_argument("--label", help="the version of ours; left out, the last one that was played")
    verifier = commands.add_parser("verify", help="play some cells again")
    verifier.add_argument("--traces", type=Path, required=True)
    verifier.add_argument("--cells", type=Path, required=True)
    verifier.add_argument("--every", type=int, default=50, help="one cell of so many")
    verifier.add_argument("--scenes", nargs="*", default=["conv", "conv70", "poisson", "code"])
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments)
    elif arguments.command == "verify":
        sys.exit(verify(arguments))
    else:
        from benchmarks.scoreboard.page import write

        write(arguments.cells, arguments.label)


def run(arguments: argparse.Namespace) -> None:
    """Play the cells that are missing, cold start by cold start, scene by scene."""
    os.environ["LAB_TRACES"] = str(arguments.traces)
    from benchmarks.scoreboard import plan
    from benchmarks.scoreboard.cells import Store
    from benchmarks.scoreboard.play import Bench, progress

    label = arguments.label or version(arguments.policy)
    with Bench(Store(arguments.out), arguments.jobs) as bench:
        for cold_start in arguments.cold_starts:
            for scene in arguments.scenes:
                place = plan.Place(bench, scene, cold_start)
                if "ours" in arguments.deciders:
                    place.ours(arguments.policy, label, arguments.seeds)
                if "defaults" in arguments.deciders:
                    place.defaults(arguments.seeds)
                if "peers" in arguments.deciders:
                    plan.develop(place)
                if "carried" in arguments.deciders:
                    plan.carry_over(place, case(scene))
                if "references" in arguments.deciders:
                    plan.references(place)
                progress(f"{scene} {cold_start}: done")


def verify(arguments: argparse.Namespace) -> int:
    """Play some cells again; return 1 if any of them came out differently."""
    os.environ["LAB_TRACES"] = str(arguments.traces)
    from benchmarks.scoreboard.cells import OURS, REFERENCE, Store
    from benchmarks.scoreboard.plan import again
    from benchmarks.scoreboard.play import play

    peers = [cell for cell in Store(arguments.cells).cells.values() if cell.group not in (OURS, REFERENCE)]
    chosen = sorted(cell for cell in peers if cell.scene in arguments.scenes)[:: arguments.every]
    differ = 0
    for before in chosen:
        after = play(again(before.key))
        same = all(math.isclose(one, other, abs_tol=1e-6) for one, other in zip(before[6:8], after[6:8], strict=True))
        differ += not same
        if not same:
            print(*before.key, f"{before.attainment} / {before.gpu_hours}, now {after.attainment} / {after.gpu_hours}")
    print(f"{len(chosen)} cells played again, {differ} of them came out differently")
    return int(differ > 0)


def version(policy: str) -> str:
    """Return a digest of the policy and of the code that decides by it."""
    root = Path(__file__).parents[2]
    named = root / "policies" / f"{policy}.yaml"
    files = [named if named.exists() else Path(policy)]
    files += [file for room in ("engine", "rules") for file in sorted((root / "autoscaler" / room).glob("*.py"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


if __name__ == "__main__":
    main()
