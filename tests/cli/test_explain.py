"""`autoscaler explain`, from a journal that a daemon wrote."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from autoscaler.cli.main import main
from tests.daemon.conftest import Rig

A = "inference/a"


@pytest.fixture
def journal(tmp_path, clock):
    """The journal of a target that was scaled up to 5 and of one that stayed at 1."""
    with ExitStack() as stack:
        rig = Rig(tmp_path, clock, stack, ("a", "b"))
        rig.start()
        rig.tick(2)
        rig.cluster.workloads[A].pending = 50
        rig.tick(2)
    return rig.journal


def explain(capsys, *arguments):
    """Return exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", *map(str, arguments)])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_tells_the_last_decision_of_every_target(journal, capsys):
    """Without options: each target's last decision with its trail and signals, and that the replay agrees."""
    code, out, _ = explain(capsys, journal)
    assert code == 0
    assert "inference/a: 5 -> 5" in out
    assert "inference/b: 1 -> 1" in out
    assert "rule pendingRequests: demand 5: " in out
    assert "signal pendingRequests: 50 requests (ok)" in out
    assert "replay: 8 of 8 decisions are the same, bit for bit" in out


@pytest.mark.parametrize("moment", ["1700000050", "2023-11-14T22:14:10Z", "2023-11-14 22:14:10"])
def test_goes_back_to_a_moment(journal, capsys, moment):
    """`--at` takes epoch seconds or a date and shows what was decided last by then; `--target` leaves out the rest."""
    code, out, _ = explain(capsys, journal, "--target", A, "--at", moment)
    assert code == 0
    assert "inference/a: 1 -> 5 (Demand)" in out
    assert "inference/b" not in out
    assert "replay: 3 of 3" in out


def test_says_when_the_replay_differs(journal, capsys):
    """A decision that comes out differently is shown both ways, and the exit code is 1."""
    text = journal.read_text().splitlines()
    records = [json.loads(line) for line in text]
    last = max(n for n, record in enumerate(records) if record["kind"] == "decision" and record["target"] == A)
    records[last]["observation"]["signals"]["pendingRequests"]["value"] = 90.0
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, _ = explain(capsys, journal)
    assert code == 1
    assert "the replay differs:" in out
    assert "inference/a: 5 -> 9" in out
    assert f"1 of 8 decisions differ, the first at line {last + 1}, inference/a" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "inference/c"), "holds no decision about inference/c"),
        (("--at", "7"), "holds no decision up to 7"),
        (("--at", "yesterday"), "--at yesterday: must be epoch seconds or a time"),
    ],
)
def test_wrong_questions_are_told(journal, capsys, options, message):
    """A target or a time that is not in the journal exits with 2 and says so."""
    code, out, err = explain(capsys, journal, *options)
    assert (code, out) == (2, "")
    assert message in err


def test_a_file_that_is_no_journal(tmp_path, capsys):
    """Any other file, or none, is an error that names it."""
    other = tmp_path / "other"
    other.write_text("hello\nworld\n")
    assert explain(capsys, other)[0] == 2
    code, _, err = explain(capsys, tmp_path / "nowhere")
    assert code == 2
    assert "nowhere: No such file" in err
