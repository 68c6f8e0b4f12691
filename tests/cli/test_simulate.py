"""The command as it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CSV = "arrival_seconds,prompt_tokens,output_tokens\n" + "".join(f"{n},500,50\n" for n in range(200))
SCENARIO = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {name: own}
spec:
  traffic: {generator: {requestsPerSecond: 3, durationSeconds: 120}}
  policies: [llm-interactive]
"""


def simulate(*arguments, **environment):
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "autoscaler.cli.main", "simulate", *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=variables)


@pytest.fixture
def scenario(tmp_path):
    """Return the file of a small scenario."""
    path = tmp_path / "own.yaml"
    path.write_text(SCENARIO)
    return path


def test_without_arguments_it_plays_the_chat_scenario():
    """The built-in scenario runs with no file at all, and its table names scenario, preset, policy and attainment."""
    done = simulate()
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("chat", "h100-llama-3.1-8b", "measured", "llm-interactive", "TTFT", "%"):
        assert word in done.stdout
    assert "\x1b" not in done.stdout


def test_json_is_one_object_and_nothing_else(scenario, tmp_path):
    """With --json, standard output is one JSON object, and standard error is empty."""
    (tmp_path / "trace.csv").write_text(CSV)
    done = simulate(scenario, "--trace", tmp_path / "trace.csv", "--policy", "fixed:1", "--policy", "fixed:2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["scenario"], found["trace"]["requests"], found["seed"]) == ("own", 200, 0)
    assert [result["policy"] for result in found["results"]] == ["fixed:1", "fixed:2"]


def test_seed_and_mode(scenario):
    """Same seed, same figures, compiled or not; another seed, other figures."""

    def play(seed, no_numba):
        done = simulate(scenario, "--seed", seed, "--json", AUTOSCALER_NO_NUMBA=no_numba)
        (result,) = json.loads(done.stdout)["results"]
        return {name: value for name, value in result.items() if name not in ("wall_seconds", "decide_seconds")}

    assert play(5, "") == play(5, "1")
    assert play(5, "1") != play(6, "1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], ["nothing", "chat"]),
        (["nothing.yaml"], ["nothing.yaml"]),
        (["--policy", "llm-interactiv"], ["llm-interactiv", "llm-interactive"]),
        (["--trace", "nothing.csv"], ["nothing.csv", "No such file"]),
        (["--seed", "-1"], ["--seed"]),
        (["--policy", "fixed:many"], ["fixed:many"]),
    ],
)
def test_wrong_arguments_exit_with_two_and_say_what_is_allowed(arguments, words):
    """What is wrong with the command line is one message on standard error, without a traceback."""
    done = simulate(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr


def test_bad_traces_exit_with_two(scenario, tmp_path):
    """A trace with a wrong row exits with 2 and names file, line, column and value."""
    path = tmp_path / "bad.csv"
    path.write_text(CSV.replace("7,500,50", "7,-5,50", 1))
    done = simulate(scenario, "--trace", path)
    assert done.returncode == 2
    assert f"autoscaler: {path}: line 9, column prompt_tokens: must be a whole number" in done.stderr
    assert "(found '-5')" in done.stderr


def test_a_file_without_a_scenario_exits_with_two(tmp_path):
    """A file of documents without a Scenario says that it must hold one."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "apiVersion: autoscaler.inference.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {name: p}\n"
        "spec: {rules: [{type: pendingRequests, targetPerReplica: 8}]}\n"
    )
    done = simulate(path)
    assert done.returncode == 2
    assert "exactly one Scenario" in done.stderr
