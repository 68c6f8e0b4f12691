"""Making a journal's decisions again: the same observations through the same engine, compared bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon import journal
from autoscaler.daemon.record import decision_from, observation_from, plain, text
from autoscaler.daemon.tracked import Tracked, Write, confirmed, stepped
from autoscaler.engine.engine import Engine
from autoscaler.engine.spec import Mode
from autoscaler.engine.state import state_from_json
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from autoscaler.daemon.journal import Record
    from autoscaler.engine.decision import Decider, Decision
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.spec import EngineSpec


class Replayed(NamedTuple):
    """One decision of a journal, as it was written down and as it was made again."""

    line: int
    observation: Observation
    recorded: Decision
    again: Decision | None
    """None when the target's spec can no longer be compiled from the journal's documents."""
    mode: Mode
    identical: bool
    """Bit for bit, with the whole trail."""


def replay(
    path: Path,
    compile_documents: Callable[[Mapping[str, str], float], Mapping[str, EngineSpec]],
    decider: Callable[[EngineSpec], Decider] = Engine,
) -> Iterator[Replayed]:
    """Yield every decision of the journal, made again.

    `compile_documents` takes documents by file name and the interval in seconds, and returns specs by
    `namespace/name`.

    Raises:
        UsageError: the file is no journal, or one that this version cannot read.
        DocumentError: the journal's documents can no longer be compiled.
    """
    player = _Player(compile_documents, decider)
    for line, record in journal.read(path):
        try:
            replayed = player.play(line, record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"journal {path}: line {line}: not as this version writes it: {error!r}") from error
        if replayed is not None:
            yield replayed


class _Player:
    """The states of all targets while a journal is played."""

    def __init__(
        self,
        compile_documents: Callable[[Mapping[str, str], float], Mapping[str, EngineSpec]],
        decider: Callable[[EngineSpec], Decider],
    ) -> None:
        self._compile = compile_documents
        self._decider = decider
        self._specs: Mapping[str, EngineSpec] = {}
        self._tracked: dict[str, Tracked] = {}
        self._before: dict[str, Tracked] = {}

    def play(self, line: int, record: Record) -> Replayed | None:
        match record["kind"]:
            case "header":
                self._begin(record)
            case "clock":
                self._tracked = {key: stepped(tracked) for key, tracked in self._tracked.items()}
            case "write":
                self._confirm(record)
            case "gone":
                self._tracked.pop(record["target"], None)
            case "decision":
                return self._decide(line, record)
        return None

    def _begin(self, record: Record) -> None:
        self._specs = self._compile(record["documents"], record["interval_seconds"])
        self._tracked = {key: Tracked(state_from_json(fields)) for key, fields in record["states"].items()}

    def _confirm(self, record: Record) -> None:
        key, write = record["target"], Write(record["before"], record["after"], record["at"])
        if key in self._specs:
            self._tracked[key] = confirmed(self._tracked.get(key, Tracked()), self._specs[key], write)

    def _decide(self, line: int, record: Record) -> Replayed:
        key, mode = record["target"], Mode(record["mode"])
        recorded, observation = decision_from(record["decision"]), observation_from(record["observation"])
        if key not in self._specs:
            return Replayed(line, observation, recorded, None, mode, identical=False)
        tracked = self._before[key] if record.get("again") else self._tracked.get(key, Tracked())
        self._before[key] = tracked
        spec = replace(self._specs[key], mode=mode)
        again, state = self._decider(spec).decide(observation, tracked.state, record["at"])
        self._tracked[key] = tracked._replace(state=state)
        return Replayed(line, observation, recorded, again, mode, text(plain(again)) == text(record["decision"]))
