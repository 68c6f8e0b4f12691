"""How long `autoscaler --help` takes as a whole process: budget 0.3 s."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
BUDGET_SECONDS = 0.3


def main() -> int:
    """Run it some times, print the median, and say whether it is within the budget."""
    command = [sys.executable, "-c", "from autoscaler.cli.main import main; main(['--help'])"]
    seconds = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    # the first one may have to write bytecode
    median = statistics.median(seconds[1:])
    figures = f"median {median:.3f} s of {RUNS} runs, slowest {max(seconds[1:]):.3f} s"
    print(f"autoscaler --help: {figures}, budget {BUDGET_SECONDS} s")
    return int(median > BUDGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
