"""`autoscaler run` as a process: against a real socket, with real signals."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from autoscaler.daemon.catalog import compile_texts
from autoscaler.daemon.replay import replay
from tests.cli.api import OneDeployment
from tests.cluster.scripted import ScriptedServer, hangs, replies
from tests.daemon.world import write_documents

PATIENCE_SECONDS = 60


class Process:
    """The daemon in a process of its own, and the log lines that it has written."""

    def __init__(self, *arguments: object, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "autoscaler.cli.main", "run", *map(str, arguments)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AUTOSCALER_")}
        self.process = subprocess.Popen(
            command, env={**clean, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.put(line)

    def event(self, name: str) -> dict[str, object]:
        """Wait for a log line, and return its fields."""
        while True:
            fields = json.loads(self.lines.get(timeout=PATIENCE_SECONDS))
            if fields["event"] == name:
                return fields

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(timeout)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def api():
    """The API server and the pod."""
    deployment = OneDeployment()
    yield deployment
    deployment.write_may_end.set()
    deployment.server.stop()


@pytest.fixture
def daemon(tmp_path, api):
    """A function that starts the daemon with documents, a journal and settings for the API server."""
    started = []

    def start(*arguments, **environment):
        settings = api.settings(tmp_path) | {
            "AUTOSCALER_INTERVAL_SECONDS": "1",
            "AUTOSCALER_JITTER_SECONDS": "0",
            "AUTOSCALER_LISTEN__HOST": "127.0.0.1",
            "AUTOSCALER_LISTEN__PORT": "0",
            "AUTOSCALER_JOURNAL": str(tmp_path / "journal"),
            "AUTOSCALER_LOG_FORMAT": "json",
        }
        documents = write_documents(tmp_path, "a")
        process = Process("-f", documents, *arguments, environment=settings | environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOSCALER_", "KUBECONFIG"))}
    return subprocess.run(
        [sys.executable, "-m", "autoscaler.cli.main", "run", *map(str, arguments)],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def get(port: object, path: str) -> tuple[int, str]:
    """Return status and text of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", int(str(port)), timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_sigterm_lets_the_write_in_flight_end(daemon, api, tmp_path):
    """SIGTERM in the middle of a write: the write ends, is confirmed in the journal, and the exit code is 0."""
    api.write_may_end.clear()
    process = daemon()
    assert api.written.wait(PATIENCE_SECONDS)
    process.send(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    api.write_may_end.set()
    assert process.wait() == 0
    records = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [(r["before"], r["after"]) for r in records if r["kind"] == "write"] == [(1, 5)]
    replayed = list(replay(tmp_path / "journal", compile_texts))
    assert replayed
    assert all(decision.identical for decision in replayed)
    assert [path for method, path in api.server.seen if method == "PATCH"] == [
        "/apis/apps/v1/namespaces/inference/deployments/a/scale"
    ]


def test_a_second_signal_ends_at_once(daemon, api):
    """With a write that hangs, the second SIGTERM does not wait for it."""
    api.write_may_end.clear()
    process = daemon(AUTOSCALER_DEADLINES__ACT_SECONDS="60")
    assert api.written.wait(PATIENCE_SECONDS)
    process.send(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM


def test_a_write_that_hangs_does_not_hold_the_end_up_for_ever(daemon, api):
    """With a write that would hang for a minute, one SIGTERM is enough."""
    api.write_may_end.clear()
    process = daemon(AUTOSCALER_DEADLINES__ACT_SECONDS="600")
    assert api.written.wait(PATIENCE_SECONDS)
    process.send(signal.SIGTERM)
    process.wait(30)


def test_ctrl_c_ends_cleanly(daemon):
    """Ctrl-C ends as SIGTERM does, with the code that shells expect."""
    process = daemon("--dry-run")
    process.event("decision")
    process.send(signal.SIGINT)
    assert process.wait() == 130


def test_serves_and_scales(daemon, api):
    """A running daemon scales the Deployment, is alive and ready, and shows what it decided."""
    process = daemon()
    port = process.event("running")["port"]
    assert process.event("decision")["replicas"] == 5
    assert api.written.wait(PATIENCE_SECONDS)
    process.event("decision")
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/readyz") == (200, "ok\n")
    assert 'autoscaler_desired_replicas{namespace="inference",target="a"} 5.0' in get(port, "/metrics")[1]
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def test_stays_up_not_ready_while_nothing_answers(daemon, tmp_path):
    """Prometheus and API server unreachable at the start: alive, not ready, and the log says why, tick by tick."""
    kubeconfig = tmp_path / "nowhere"
    kubeconfig.write_text(
        '{"clusters":[{"name":"a","cluster":{"server":"http://127.0.0.1:9"}}],"contexts":[{"name":"a","context":'
        '{"cluster":"a","user":"a"}}],"users":[{"name":"a","user":{}}],"current-context":"a"}'
    )
    process = daemon(
        AUTOSCALER_SOURCE="prometheus",
        AUTOSCALER_PROMETHEUS__URL="http://127.0.0.1:9",
        AUTOSCALER_KUBERNETES__KUBECONFIG=str(kubeconfig),
    )
    port = process.event("running")["port"]
    for _ in range(2):
        assert "http://127.0.0.1:9" in str(process.event("not ready")["why"])
    assert get(port, "/healthz")[0] == 200
    status, text = get(port, "/readyz")
    assert status == 503
    assert "Prometheus at http://127.0.0.1:9" in text
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def test_once_explains_and_exits(api, tmp_path):
    """`--once --dry-run` prints the decision with its trail, writes nothing, and exits with 0."""
    done = run("-f", write_documents(tmp_path, "a"), "--once", "--dry-run", **api.settings(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("inference/a: 1 -> 5 (Demand)\n")
    assert "DryRun: dry run" in done.stdout
    assert not api.written.is_set()


def test_once_fails_if_a_target_does(api, tmp_path):
    """A target that does not exist: a message, exit code 1, and the other target is decided all the same."""
    done = run("-f", write_documents(tmp_path, "a", "b"), "--once", "--dry-run", **api.settings(tmp_path))
    assert done.returncode == 1
    assert "inference/a: 1 -> 5" in done.stdout
    assert "autoscaler: inference/b: observe: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "answer", [replies("<html>Please log in</html>"), replies("teapot", 418), replies({"status": "error"}, 503)]
)
def test_once_against_something_that_is_no_prometheus(api, tmp_path, answer):
    """A login page or an error in place of Prometheus: nothing is scaled, a message, exit code 1."""
    server = ScriptedServer(lambda method, path: answer)
    try:
        settings = api.settings(tmp_path) | {
            "AUTOSCALER_SOURCE": "prometheus",
            "AUTOSCALER_PROMETHEUS__URL": server.url,
        }
        done = run("-f", write_documents(tmp_path, "a"), "--once", **settings)
    finally:
        server.stop()
    assert done.returncode == 1
    assert "inference/a: 1 -> 1" in done.stdout
    assert "autoscaler: source: Prometheus at" in done.stderr
    assert "Traceback" not in done.stderr
    assert not api.written.is_set()


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ((), {}, "no documents: name files or folders with -f"),
        (("-f", "/nowhere.yaml"), {}, "/nowhere.yaml"),
        (("--settings", "/nowhere.yaml"), {}, "settings file /nowhere.yaml: cannot be read"),
        ((), {"AUTOSCALER_INTERVALL_SECONDS": "3"}, "did you mean AUTOSCALER_INTERVAL_SECONDS"),
        (("--speed", "3"), {}, "belong to --sandbox"),
        (("--sandbox", "--once"), {}, "do not go with --sandbox"),
        (("--sandbox", "--speed", "-1"), {}, "--speed: must be above 0"),
    ],
)
def test_wrong_usage(arguments, environment, message):
    """What cannot be right is told before anything starts, and exits with 2."""
    done = run(*arguments, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_documents_are_told_before_anything_is_connected_to(api, tmp_path):
    """A document error exits with 2, names file and key path, and no request was made."""
    path = write_documents(tmp_path, "a")
    path.write_text(path.read_text().replace("maxReplicas: 10", "maxReplica: 10"))
    done = run("-f", path, "--once", **api.settings(tmp_path))
    assert done.returncode == 2
    assert "documents.yaml" in done.stderr
    assert "maxReplica" in done.stderr
    assert api.server.seen == []


def test_namespaces_of_the_settings_are_a_fence(api, tmp_path):
    """A document in a namespace that the settings do not name is refused."""
    settings = api.settings(tmp_path) | {"AUTOSCALER_NAMESPACES": "batch"}
    done = run("-f", write_documents(tmp_path, "a"), "--once", **settings)
    assert done.returncode == 2
    assert "must be one of the namespaces in the settings: batch" in done.stderr


def test_sigterm_while_everything_hangs(daemon, tmp_path):
    """With an API server and a Prometheus that take requests and never answer, SIGTERM still ends cleanly."""
    server = ScriptedServer(lambda method, path: hangs)
    try:
        process = daemon(
            AUTOSCALER_SOURCE="prometheus",
            AUTOSCALER_PROMETHEUS__URL=server.url,
            AUTOSCALER_KUBERNETES__KUBECONFIG=str(server.kubeconfig(tmp_path)),
        )
        assert process.event("not ready")["waiting_for"] == "source"
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        server.stop()
