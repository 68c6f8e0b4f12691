"""Draw the plots of the page on validation: `python benchmarks/validation_plots.py RESULTS FOLDER`.

RESULTS holds what the other benchmarks wrote with `--out`: `closed_loop.json`, `second_opinion.json` and
`sensitivity.json`. It needs matplotlib, which nothing else here does.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

try:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
except ImportError:
    sys.exit("needs matplotlib")

DPI = 75
ROW_TPOT, ROW_MODEL = 10, 1
"""Places in a row as `validation_rows.Row` writes it."""


def closed_loop(results: dict[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True)
    titles = {"rows 0": "half of the rows left out", "pairs": "whole pairs of GPU and model left out"}
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        for dense, colour, label in ((False, "0.7", "mixture of experts"), (True, "tab:blue", "dense")):
            rows = [row for row in results[key] if row[0][ROW_MODEL].startswith("gpt-oss") != dense]
            measured = [1e3 * row[0][ROW_TPOT] for row in rows]
            simulated = [1e3 * row[0][ROW_TPOT] * (1 + row[1]) for row in rows]
            axis.loglog(measured, simulated, ".", color=colour, label=label, markersize=4)
        ends = [2, 200]
        axis.loglog(ends, ends, "k-", linewidth=0.8)
        for factor in (0.95, 1.05):
            axis.loglog(ends, [factor * end for end in ends], "k:", linewidth=0.8)
        axis.set(title=title, xlabel="measured TPOT, ms", xlim=ends, ylim=ends)
        axis.legend(loc="upper left")
    axes[0].set_ylabel("simulated TPOT, ms (dotted: 5 %)")
    save(figure, path)


def second_opinion(results: list[dict[str, Any]], path: Path) -> None:
    figure, axis = plt.subplots(figsize=(10, 4.2))
    labels = [cell["what"] for cell in results[0]["cells"]]
    for fleet in results:
        axis.plot(
            labels, [100 * cell["difference"] for cell in fleet["cells"]], "o-", label=fleet["fleet"], linewidth=0.6
        )
    axis.axhspan(-3, 3, color="0.93")
    axis.axhline(0, color="k", linewidth=0.8)
    axis.set(ylabel="ours against DynoSim, %", ylim=(-4, 6), title="percentiles on the same traffic and step times")
    axis.legend(fontsize=7, loc="upper right", ncol=2)
    save(figure, path)


def sensitivity(results: dict[str, Any], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    field = results["mean_field"]
    loads = [row["load"] for row in field]
    left.errorbar(
        loads,
        [1e3 * row["simulated"] for row in field],
        [1e3 * row["half_width"] for row in field],
        fmt="o",
        label="simulated, 99 % interval",
    )
    left.plot(loads, [1e3 * row["formula"] for row in field], "-", label="a / (1 - load)")
    left.set(xlabel="load", ylabel="TPOT, ms", title="mean field (256 sequences bind above .85)")
    left.legend()
    rows = [row for row in results["sensitivity"] if row["coefficient"] != "-"]
    for place, load in enumerate(sorted({row["load"] for row in rows})):
        base = next(row for row in results["sensitivity"] if row["load"] == load)["tpot_seconds"][0]
        for row in (row for row in rows if row["load"] == load):
            change = 100 * (row["tpot_seconds"][0] / base - 1)
            where = "abcd".index(row["coefficient"]) + 0.3 * place
            label = f"load {load}" if (row["coefficient"], row["factor"]) == ("a", 0.9) else None
            right.bar(where, change, 0.28, color=("tab:blue", "tab:orange")[place], label=label)
    right.axhline(0, color="k", linewidth=0.8)
    right.set(xticks=[0.15, 1.15, 2.15, 3.15], xticklabels=list("abcd"), ylabel="change of TPOT, %")
    right.set_title("10 % less and more of each coefficient")
    right.legend()
    save(figure, path)


def save(figure: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib is not typed here
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for draw in (closed_loop, second_opinion, sensitivity):
        source = options.results / f"{draw.__name__}.json"
        target = options.folder / f"validation-{draw.__name__.replace('_', '-')}.png"
        draw(json.loads(source.read_text(encoding="utf-8")), target)


if __name__ == "__main__":
    main()
