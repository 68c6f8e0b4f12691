"""The journal: whole, rotated, healed after a crash, and equal to its own replay."""

from __future__ import annotations

import json

import pytest

from autoscaler.daemon.catalog import compile_texts
from autoscaler.daemon.journal import Journal, read
from autoscaler.daemon.replay import replay
from autoscaler.engine.decision import Stage
from autoscaler.engine.engine import Engine
from autoscaler.errors import ClusterError, UsageError
from tests.daemon.world import write_documents

A = "inference/a"


def replayed(path):
    """Return the journal's decisions, made again."""
    return list(replay(path, compile_texts))


def lines(path):
    """Return the journal's records."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def eventful(world):
    """Let everything happen that a journal must tell: writes, conflicts, lost answers, reloads, steps, absence."""
    workload = world.cluster.workloads[A]
    world.tick(2)
    workload.pending = 30
    world.tick(2)
    world.cluster.hooks[A] = lambda *_: (world.cluster.hooks.clear(), world.cluster.set(A, 2))
    workload.pending = 70
    world.tick(2)

    def write_and_lose(_workload, replicas):
        world.cluster.hooks.clear()
        world.cluster.set(A, replicas)
        raise ClusterError("no answer")

    workload.pending = 90
    world.cluster.hooks[A] = write_and_lose
    world.tick(2)
    workload.annotations["autoscaler.inference.dev/mode"] = "DryRun"
    workload.pending = 0
    world.tick(6)
    workload.annotations.clear()
    world.tick(6)
    world.clock.step(-600)
    workload.pending = 33
    world.tick(3)
    write_documents(world.documents.parent, "a", target=5, maximum=8)
    world.tick(3)
    world.cluster.gone.add(A)
    world.tick(300)
    world.cluster.gone.clear()
    world.tick(30)


def test_replays_to_itself(rig):
    """Every decision of an eventful hour comes out again bit for bit, trail and all."""
    world = rig("a")
    eventful(world)
    world.daemon.close()
    kinds = {record["kind"] for record in lines(world.journal)}
    assert kinds == {"header", "clock", "decision", "write", "gone"}
    assert any(record.get("again") for record in lines(world.journal))
    decisions = replayed(world.journal)
    assert len(decisions) > 40
    assert all(decision.identical for decision in decisions)


class Counting:
    """The engine, and a count of decisions that it remembers and tells: as sensitive to the state as can be."""

    def __init__(self, spec):
        self.inner = Engine(spec)

    def decide(self, observation, state, now):
        count = state.memories.get("count", {}).get("decisions", 0) + 1
        decision, after = self.inner.decide(observation, state, now)
        told = Stage("count", decision.replicas, decision.replicas, str(count))
        memories = {**after.memories, "count": {"decisions": count}}
        return decision._replace(trail=(*decision.trail, told)), after._replace(memories=memories)


def test_replay_starts_from_the_right_state_every_time(rig):
    """A decider that remembers how often it was asked replays too: through conflicts, reloads and restarts."""
    world = rig("a", decider=Counting)
    eventful(world)
    world.daemon.close()
    world.start(decider=Counting)
    world.tick(3)
    world.daemon.close()
    decisions = list(replay(world.journal, compile_texts, Counting))
    assert decisions[-1].recorded.trail[-1].why == "3"
    assert all(decision.identical for decision in decisions)


def test_replay_finds_an_altered_observation(rig):
    """One number changed in one observation, and the replay says at which line."""
    world = rig("a")
    world.cluster.workloads[A].pending = 30
    world.tick(5)
    world.daemon.close()
    records = lines(world.journal)
    decisions = [number for number, record in enumerate(records) if record["kind"] == "decision"]
    records[decisions[2]]["observation"]["signals"]["pendingRequests"]["value"] = 31.0
    world.journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    differing = [decision.line for decision in replayed(world.journal) if not decision.identical]
    assert differing[0] == decisions[2] + 1


def test_replay_finds_a_forgotten_write(rig):
    """A journal without one of its writes does not replay: the state would be another."""
    world = rig("a")
    world.cluster.workloads[A].pending = 30
    world.tick(5)
    world.daemon.close()
    kept = [record for record in lines(world.journal) if record["kind"] != "write"]
    world.journal.write_text("".join(json.dumps(record) + "\n" for record in kept))
    assert not all(decision.identical for decision in replayed(world.journal))


@pytest.mark.parametrize("cut", [2, 20, 400])
def test_a_cut_off_last_line_is_left_out(rig, cut):
    """A crash in the middle of a line loses that line and no other."""
    world = rig("a")
    world.tick(3)
    world.daemon.close()
    whole = world.journal.read_bytes()
    world.journal.write_bytes(whole[:-cut])
    assert len(replayed(world.journal)) == 2
    world.start()
    world.tick(2)
    world.daemon.close()
    decisions = replayed(world.journal)
    assert len(decisions) == 4
    assert all(decision.identical for decision in decisions)


def test_a_restart_goes_on_in_the_same_file(rig):
    """A second daemon appends a header of its own, and the file still replays."""
    world = rig("a")
    world.cluster.workloads[A].pending = 30
    world.tick(3)
    world.daemon.close()
    world.start()
    world.tick(3)
    world.daemon.close()
    assert [record["kind"] for record in lines(world.journal)].count("header") == 2
    assert all(decision.identical for decision in replayed(world.journal))


def test_rotation_keeps_files_that_replay_each_by_itself(rig):
    """A full file is set aside; each of them, the present one too, begins with a header and replays alone."""
    world = rig("a", journal_max_bytes=20_000)
    for load in range(100):
        world.cluster.workloads[A].pending = 10.0 * (load % 7)
        world.tick()
    world.daemon.close()
    files = sorted(world.journal.parent.glob("journal.jsonl*"))
    assert [file.name for file in files] == ["journal.jsonl", *(f"journal.jsonl.{n}" for n in (1, 2, 3))]
    for file in files:
        assert file.stat().st_size < 40_000
        decisions = replayed(file)
        assert decisions
        assert all(decision.identical for decision in decisions)


def test_a_full_disk_fails_no_tick_and_heals(rig, monkeypatch):
    """While the disk is full the daemon decides on; afterwards a header with all states makes the file whole."""
    world = rig("a")
    world.cluster.workloads[A].pending = 30
    world.tick(2)

    def full(self, records):
        self._torn = True
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", full)
        world.cluster.workloads[A].pending = 60
        report = world.tick(2)
        assert not report.failed
        assert world.cluster.workloads[A].replicas == 6
    world.cluster.workloads[A].pending = 10
    world.tick(8)
    world.daemon.close()
    decisions = replayed(world.journal)
    assert len(decisions) == 2 + 7
    assert all(decision.identical for decision in decisions)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hello\nworld\n", "line 1 is not a record"),
        ('{"kind":"decision"}\n', "line 1 is no header"),
        ('{"kind":"header","format":99}\n', "format 99"),
        ('{"kind":"header","format":1}\n', "line 1: not as this version writes it"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path, text, what):
    """A file that is no journal of this version is an error that names the line."""
    path = tmp_path / "journal"
    path.write_text(text)
    with pytest.raises(UsageError, match=what):
        replayed(path)


def test_damage_in_the_middle_is_refused(rig):
    """Only the end of a run can be cut off by a crash: damage elsewhere is told."""
    world = rig("a")
    world.tick(3)
    world.daemon.close()
    damaged = world.journal.read_text().splitlines()
    damaged[1] = damaged[1][:-20]
    world.journal.write_text("\n".join(damaged) + "\n")
    with pytest.raises(UsageError, match="line 2 is not a record"):
        replayed(world.journal)


def test_a_missing_journal_is_told(tmp_path):
    """A path to nothing is an error that names it."""
    with pytest.raises(UsageError, match="nowhere"):
        list(read(tmp_path / "nowhere"))


def test_a_journal_that_cannot_be_written_is_told_at_the_start(tmp_path):
    """A folder in the place of the file is an error before the first tick."""
    with pytest.raises(UsageError, match="cannot be written"):
        Journal(tmp_path)


def test_the_header_holds_what_it_takes(rig):
    """Documents as written, specs as compiled, and the library's policies that they name."""
    world = rig("a")
    text = world.documents.read_text()
    _policy, target = text.split("---")
    world.documents.write_text(target.replace("name: pending", "name: llm-interactive"))
    world.tick(3)
    world.daemon.close()
    headers = [record for record in lines(world.journal) if record["kind"] == "header"]
    assert headers[0]["documents"] == {str(world.documents): text}
    assert headers[0]["specs"][A]["max_replicas"] == 10
    names = {name.rsplit("/", 1)[-1] for name in headers[1]["documents"]}
    assert names == {"documents.yaml", "llm-interactive.yaml"}
    assert all(decision.identical for decision in replayed(world.journal))
