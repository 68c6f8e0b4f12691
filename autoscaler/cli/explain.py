"""`autoscaler explain`: what a journal says was decided, and why, made again and compared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.daemon.catalog import compile_texts
from autoscaler.daemon.replay import replay
from autoscaler.documents.plugins import registry
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.daemon.replay import Replayed
    from autoscaler.engine.spec import EngineSpec


def explain(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="What `run` wrote, as its settings say.")],
    target: Annotated[str, typer.Option("--target", metavar="NS/NAME", help="Only this target.")] = "",
    at: Annotated[
        str,
        typer.Option("--at", metavar="T", help="The last decision up to then: epoch seconds, or 2026-11-20T18:00Z."),
    ] = "",
    rule_files: Annotated[
        list[Path] | None, typer.Option("--rules", metavar="FILE", help="A file with rules that the journal needs.")
    ] = None,
) -> None:
    """Tell from a journal what was decided, and why.

    Shows each target's last decision (up to --at), and replays the whole journal up to there: the exit code is 1 if
    any decision comes out differently.
    """
    until = _moment(at)
    rules = registry(rule_files or ())

    def compiled(documents: Mapping[str, str], interval_seconds: float) -> Mapping[str, EngineSpec]:
        return compile_texts(documents, interval_seconds, rules)

    seen = _Seen()
    for replayed in replay(journal, compiled):
        if (until is None or replayed.recorded.at <= until) and target in ("", replayed.recorded.target):
            seen.add(replayed)
    if not seen.last:
        raise UsageError(f"journal {journal}: holds no decision{_narrowed(target, at)}")
    for replayed in seen.last.values():
        _show(replayed)
    seen.conclude()


class _Seen:
    """What is kept of a journal while it is replayed: it may be longer than the memory."""

    def __init__(self) -> None:
        self.last: dict[str, Replayed] = {}
        self._decisions = 0
        self._differing = 0
        self._first: Replayed | None = None

    def add(self, replayed: Replayed) -> None:
        self.last[replayed.recorded.target] = replayed
        self._decisions += 1
        if not replayed.identical:
            self._differing += 1
            self._first = self._first or replayed

    def conclude(self) -> None:
        """Say how the replay went; exit with 1 if it differs."""
        if self._first is None:
            typer.echo(f"replay: {self._decisions} of {self._decisions} decisions are the same, bit for bit")
            return
        where = f"the first at line {self._first.line}, {self._first.recorded.target}"
        typer.echo(f"replay: {self._differing} of {self._decisions} decisions differ, {where}")
        raise typer.Exit(1)


def _moment(text: str) -> float | None:
    """Return UTC epoch seconds; a time without an offset is UTC."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at {text}: must be epoch seconds or a time such as 2026-11-20T18:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _narrowed(target: str, at: str) -> str:
    return (f" about {target}" if target else "") + (f" up to {at}" if at else "")


def _show(replayed: Replayed) -> None:
    moment = datetime.fromtimestamp(replayed.recorded.at, UTC).isoformat(timespec="milliseconds")
    typer.echo(f"{moment}  {replayed.mode}  line {replayed.line}")
    typer.echo(replayed.recorded.explain())
    for key, signal in replayed.observation.signals.items():
        value = "unknown" if signal.value is None else f"{signal.value:g} {signal.unit}".rstrip()
        typer.echo(f"  signal {key}: {value} ({signal.quality}{f': {signal.detail}' if signal.detail else ''})")
    if replayed.identical:
        return
    if replayed.again is None:
        typer.echo("  the replay does not know this target: the journal's documents do not name it")
    else:
        typer.echo("  the replay differs:")
        typer.echo("\n".join(f"    {line}" for line in replayed.again.explain().splitlines()))
