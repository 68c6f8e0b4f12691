"""The command as it is used."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from autoscaler.documents.load import load

SCENARIO = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {name: own}
spec:
  horizonSeconds: 900
  maxReplicas: 4
  coldStart: {seconds: 30}
  traffic: {generator: {requestsPerSecond: 8}}
  policies: [mine]
---
# a policy beside its scenario
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: mine}
spec:
  rules: [{type: pendingRequests, targetPerReplica: 8}]
"""
TARGET = "rules.pendingRequests.targetPerReplica"
HPA = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: chat}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat}
  minReplicas: 1
  maxReplicas: 4
  metrics:
    - type: Pods
      pods:
        metric: {name: "vllm:num_requests_running"}
        target: {type: AverageValue, averageValue: "8"}
"""


def command(*arguments):
    """Return the command line."""
    return [sys.executable, "-m", "autoscaler.cli.main", "tune", *map(str, arguments)]


def tune(*arguments):
    """Run the command in a process of its own."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def scenario(tmp_path):
    """Return the file of a small scenario."""
    path = tmp_path / "own.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_list_of_values_is_a_curve(scenario):
    """Every value is shown with its figures, beside the policy as it is and the best fixed fleet."""
    done = tune(scenario, "--policy", "mine", "--vary", f"{TARGET}=4,32", "--seeds", 2, "--judge-seeds", 1)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("targetPerReplica", "chosen", "as it is", "fixed:1", "on seed 2, by which nothing was chosen"):
        assert word in done.stdout


def test_json_is_one_object_and_the_same_in_one_process_or_two(scenario):
    """Settings in their order, each on the same seeds; nothing depends on who plays them."""
    arguments = (scenario, "--policy", "mine", "--vary", f"{TARGET}=4,32", "--json", "--seeds", 2)
    alone, together = tune(*arguments), tune(*arguments, "--jobs", 2)
    assert (alone.returncode, alone.stderr) == (0, "")
    found = json.loads(alone.stdout)
    assert found == json.loads(together.stdout)
    assert (found["schema_version"], found["scenario"], found["policy"], found["target"]) == (1, "own", "mine", 0.99)
    assert found["seeds"] == {"tuned": [0, 1], "judged": [2, 3]}
    assert [one["values"] for one in found["settings"]] == [
        {"rules[0].targetPerReplica": 4}, {"rules[0].targetPerReplica": 32}
    ]  # fmt: skip
    assert found["settings"][0]["gpu_hours"] > found["settings"][1]["gpu_hours"] >= found["fixed"]["tuned"]["gpu_hours"]
    assert found["chosen"]["judged"]["slo_attainment"]["mean"] >= 0.99


def test_what_is_chosen_is_written_as_a_document(scenario, tmp_path):
    """It loads, has the chosen value, tells its figures, and replaces nothing unless it is told to."""
    out = tmp_path / "tuned.yaml"
    arguments = (
        scenario,
        "--policy",
        "mine",
        "--vary",
        f"{TARGET}=16,32",
        "--seeds",
        1,
        "--judge-seeds",
        1,
        "--out",
        out,
    )
    done = tune(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (value,) = json.loads(done.stdout)["chosen"]["values"].values()
    policy = load([out]).policies["mine-tuned"]
    assert policy.spec.rules[0].target_per_replica == value
    assert "# Seeds 0, by which it was chosen: " in out.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.yaml", "tuned.yaml"]
    again = tune(*arguments)
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_peers_and_manifests_are_tuned_too(scenario, tmp_path):
    """By the paths of their own parameters; a manifest's quantities stay texts."""
    hpa, out = tmp_path / "hpa.yaml", tmp_path / "tuned.yaml"
    hpa.write_text(HPA)
    path = "metrics[0].pods.target.averageValue"
    few = ("--seeds", 1, "--judge-seeds", 0, "--json")
    for policy, vary in (
        (hpa, f"{path}=4,16"),
        ("ray-serve", "targetOngoingRequests=4,16"),
        ("fixed:2", "replicas=1,2"),
    ):
        done = tune(scenario, "--policy", policy, "--vary", vary, *few, "--out", out, "--force")
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["settings"]) == 2
        if policy == hpa:
            assert "averageValue: '" in out.read_text()


def test_a_search_needs_no_list(scenario):
    """Ranges are searched, the same with the same seed; the document's own are used where none is named."""
    few = ("--trials", 4, "--seeds", 1, "--judge-seeds", 0, "--json")
    first, again = (tune(scenario, "--policy", "mine", *few) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    found = json.loads(first.stdout)
    assert found["varied"] == [{"path": "rules[0].targetPerReplica", "low": 2, "high": 32, "log": True}]
    assert 1 <= len(found["settings"]) <= 4


def test_where_nothing_will_do_nothing_is_written(tmp_path):
    """The exit code says so, and the curve is shown."""
    path, out = tmp_path / "own.yaml", tmp_path / "tuned.yaml"
    path.write_text(SCENARIO.replace("maxReplicas: 4", "maxReplicas: 1").replace("Second: 8", "Second: 80"))
    done = tune(path, "--policy", "mine", "--vary", f"{TARGET}=4,8", "--seeds", 1, "--judge-seeds", 0, "--out", out)
    assert done.returncode == 1
    assert "no setting meets the objective for 99 %" in done.stdout
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vary", "rules.nothing.x=1,2"], ["--vary", "pendingRequests"]),
        (["--vary", f"{TARGET}=0,4"], ["targetPerReplica=0", "greater than 0"]),
        (["--vary", "rules.pendingRequests.targetPerReplic=4"], ["targetPerReplic", "targetPerReplica"]),
        (["--policy", "mini"], ["mini"]),
        (["--vary", f"{TARGET}=4,8", "--storage", "sqlite:///x.db"], ["--storage", "lists"]),
        (["--out", "x.txt"], ["--out", ".yaml"]),
        (["--out", "no/such/x.yaml"], ["no/such"]),
        (["--policy", "fixed:many"], ["many"]),
    ],
)
def test_wrong_arguments_exit_with_two_and_say_what_is_allowed(scenario, arguments, words):
    """One message on standard error, without a traceback."""
    if "--policy" not in arguments:
        arguments = ["--policy", "mine", *arguments]
    done = tune(scenario, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("jobs", "word"), [(1, b"mine"), (2, b"settings")])
def test_ctrl_c_keeps_what_was_found(scenario, jobs, word):
    """On a terminal a bar is shown; Ctrl-C then prints what was played, marked as partial, and exits with 130."""
    values = ",".join(str(value) for value in range(1, 2000))
    arguments = (scenario, "--policy", "mine", "--vary", f"{TARGET}={values}", "--seeds", 1, "--json", "--jobs", jobs)
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=theirs, env=variables) as process:
        os.close(theirs)
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        shown = b""
        while word not in shown:
            shown += os.read(ours, 4096)
        threading.Thread(target=_drain, args=(ours,), daemon=True).start()
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
        watchdog.cancel()
    assert process.returncode == 130
    found = json.loads(printed)
    assert found["partial"] is True
    assert found["chosen"] is None or found["chosen"]["judged"] is None
    assert len(found["settings"]) < 1999


def _drain(terminal):
    """Read what a terminal is told until it is closed, so that nobody waits for it."""
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        pass


def test_help_loads_nothing_heavy():
    """Optuna is loaded by a search only."""
    code = "import sys; import autoscaler.cli.tune; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode == 0
