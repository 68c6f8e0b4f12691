"""The command with traces: their formats, the flags that change them, and the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CSV = "arrival_seconds,prompt_tokens,output_tokens\n" + "".join(f"{n},500,50\n" for n in range(200))
BURST = "Timestamp,Model,Request tokens,Response tokens\n" + "".join(f"{n // 2},m,50,{n % 10}\n" for n in range(200))
SCENARIO = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {name: own}
spec:
  traffic: {trace: {path: trace.csv, rateScale: 2}}
"""


@pytest.fixture
def simulate(tmp_path):
    """Return a function that runs the command in a folder with two traces and a scenario, and a cache of its own."""
    for name, text in (("trace.csv", CSV), ("burst.csv", BURST), ("own.yaml", SCENARIO)):
        (tmp_path / name).write_text(text)

    def simulate(*arguments):
        command = [sys.executable, "-m", "autoscaler.cli.main", "simulate", *map(str, arguments), "--policy", "fixed:1"]
        environment = {**os.environ, "AUTOSCALER_NO_NUMBA": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=tmp_path
        )

    return simulate


def trace_of(done):
    """Return what the result says of its trace."""
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["trace"]


def test_pace_and_window_change_the_trace(simulate):
    """Both flags work on a trace of the command line and on that of a scenario, over what it says itself."""
    assert trace_of(simulate("--trace", "trace.csv", "--json")) == {"requests": 200, "duration_seconds": 199.0}
    flags = ("--rate-scale", "4", "--window", "100", "140", "--json")
    assert trace_of(simulate("--trace", "trace.csv", *flags)) == {"requests": 40, "duration_seconds": 9.75}
    assert trace_of(simulate("own.yaml", "--json"))["duration_seconds"] == 99.5
    assert trace_of(simulate("own.yaml", "--rate-scale", "1", "--json"))["duration_seconds"] == 199.0


def test_what_was_done_to_a_trace_is_said(simulate):
    """The table has a note for each thing that was left out or moved."""
    done = simulate("--trace", "burst.csv")
    assert "note: 20 failed requests (no response tokens) are left out" in done.stdout
    assert "note: stamps stand in slots of 1 s: arrivals are spread inside theirs" in done.stdout


def test_small_traces_leave_no_copy(simulate, tmp_path):
    """Nothing is written for a trace that is read in no time."""
    assert simulate("--trace", "trace.csv").returncode == 0
    assert not (tmp_path / "cache").exists()


def test_a_large_trace_is_kept_and_a_damaged_copy_made_anew(simulate, tmp_path):
    """The second run finds the copy of the first; when that is damaged, the third says so and has the same requests."""
    rows = "".join(f"{n / 1000:.3f},5,1\n" for n in range(100_000))
    (tmp_path / "large.csv").write_text("arrival_seconds,prompt_tokens,output_tokens\n" + rows)
    flags = ("--trace", "large.csv", "--window", "0", "100")
    first = simulate(*flags)
    (entry,) = (tmp_path / "cache" / "inference-autoscaler" / "traces").iterdir()
    second = simulate(*flags)
    (entry / "prompt_tokens").write_bytes(b"")
    third = simulate(*flags)
    assert [done.returncode for done in (first, second, third)] == [0, 0, 0]
    assert [done.stdout.count("was damaged") for done in (first, second, third)] == [0, 0, 1]
    assert len({done.stdout.split(" requests")[0] for done in (first, second, third)}) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate-scale", "2"], ["--rate-scale", "--trace"]),
        (["--trace", "trace.csv", "--rate-scale", "0"], ["--rate-scale"]),
        (["--trace", "trace.csv", "--rate-scale", "nan"], ["--rate-scale"]),
        (["--trace", "trace.csv", "--window", "5", "3"], ["--window 5 3", "START before END"]),
        (["--trace", "trace.csv", "--window", "nan", "3"], ["--window"]),
        (["--trace", "trace.csv", "--window", "500", "600"], ["trace.csv", "no request arrives"]),
        (["--trace", "own.yaml"], ["own.yaml", "line 1", "header"]),
    ],
)
def test_wrong_flags_exit_with_two(simulate, arguments, words):
    """Each is named with what is allowed, on standard error and without a traceback."""
    done = simulate(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
