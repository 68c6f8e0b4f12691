"""The command as it is used."""

from __future__ import annotations

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import threading

import numpy as np
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
        (["--series", "x.txt"], ["--series", "x.txt", ".csv or .json"]),
        (["--report", "no/such/x.html"], ["--report", "no/such"]),
        (["--seeds", "0"], ["--seeds"]),
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


def test_a_scenario_that_names_what_is_not_there_exits_with_two(tmp_path):
    """File, line, key path, value and what is allowed, as for every other document."""
    path = tmp_path / "own.yaml"
    path.write_text(SCENARIO.replace("spec:", "spec:\n  preset: h100"))
    done = simulate(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"autoscaler: {path}:6: spec.preset: must be one of h100-llama-3.1-8b, " in done.stderr
    assert "(found 'h100')" in done.stderr


def test_presets_and_scenarios_are_listed():
    """As a table and as JSON; a scenario comes with what it teaches."""
    presets = json.loads(simulate("--list-presets", "--json").stdout)["presets"]
    assert {"name", "gpu", "model", "gpus", "kv_tokens", "grade", "engine", "source"} <= set(presets[0])
    assert presets[0]["name"] in simulate("--list-presets").stdout
    scenarios = json.loads(simulate("--list-scenarios", "--json").stdout)["scenarios"]
    lines = simulate("--list-scenarios").stdout.splitlines()
    assert len(scenarios) == len(lines) >= 8
    for one, line in zip(scenarios, lines, strict=True):
        assert line.startswith(one["name"])
        assert line.endswith(one["teaches"])
        assert len(one["teaches"]) > 40


def test_a_policy_may_stand_beside_its_scenario(tmp_path):
    """A ScalingPolicy of the scenario's own file is found by its name."""
    path = tmp_path / "own.yaml"
    path.write_text(
        SCENARIO.replace("llm-interactive", "mine")
        + "---\napiVersion: autoscaler.inference.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {name: mine}\n"
        "spec: {rules: [{type: pendingRequests, targetPerReplica: 8}]}\n"
    )
    assert [one["policy"] for one in json.loads(simulate(path, "--json").stdout)["results"]] == ["mine"]


def test_everything_that_can_be_written(scenario, tmp_path):
    """Series, requests and report are written; seeds and references are in the JSON."""
    files = {
        name: tmp_path / f"x.{ending}" for name, ending in (("series", "csv"), ("requests", "npz"), ("report", "html"))
    }
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    done = simulate(scenario, *options, "--seeds", "3", "--jobs", "2", "--oracle", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    (result,) = found["results"]
    assert result["seeds"]["seeds"] == [0, 1, 2]
    assert result["seeds"]["gpu_hours"]["low"] <= result["seeds"]["gpu_hours"]["mean"]
    assert found["references"]["oracle"].startswith("the cheapest of")
    assert result["oracle_gpu_hours"] > 0
    with files["series"].open() as file:
        assert sum(int(line["arrived"]) for line in csv.DictReader(file)) == result["requests"]
    with np.load(files["requests"]) as arrays:
        assert len(arrays["llm-interactive/outcome"]) == result["requests"]
    assert files["report"].read_text().startswith("<!doctype html>")


LONG = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {name: long}
spec:
  traffic: {generator: {requestsPerSecond: 0.01, durationSeconds: 50000000}}
"""


def test_ctrl_c_leaves_a_partial_result(tmp_path):
    """On a terminal a bar is shown; Ctrl-C then prints what there is, marked, and exits with 130."""
    path = tmp_path / "long.yaml"
    path.write_text(LONG)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "autoscaler.cli.main", "simulate", str(path), "--policy", "fixed:1", "--json"]
    variables = {**os.environ, "AUTOSCALER_NO_NUMBA": "1", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=variables) as process:
        os.close(theirs)
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        shown = b""
        while b"fixed:1" not in shown:
            shown += os.read(ours, 4096)
        threading.Thread(target=_drain, args=(ours,), daemon=True).start()
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
        watchdog.cancel()
    found = json.loads(printed)
    assert process.returncode == 130
    assert found["partial"] is found["results"][0]["partial"] is True
    assert 0 < found["results"][0]["simulated_seconds"] < 50000000
    assert found["results"][0]["unfinished"] < found["results"][0]["requests"] < found["trace"]["requests"]


def _drain(terminal):
    """Read what a terminal is told until it is closed, so that nobody waits for it."""
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        pass
