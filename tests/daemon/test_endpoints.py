"""What a scrape and a probe see of the daemon, over real HTTP."""

from __future__ import annotations

import http.client
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.daemon.catalog import compile_texts
from autoscaler.daemon.health import Health
from autoscaler.daemon.http import Endpoints
from autoscaler.daemon.metrics import Metrics
from autoscaler.daemon.replay import replay
from autoscaler.daemon.service import Listen
from autoscaler.errors import SourceError, UsageError
from autoscaler.rules.registry import BUILT_IN
from tests.daemon.world import write_documents

A, B = "inference/a", "inference/b"
LOOPBACK = Listen("127.0.0.1", 0)


def get(port, path, method="GET"):
    """Return status and text of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def scrape(daemon):
    """Return every sample by its name and labels."""
    status, text = get(daemon.port, "/metrics")
    assert status == 200
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(target, **more):
    """Return the labels of a target's series, sorted as `scrape` has them."""
    namespace, name = target.split("/")
    return tuple(sorted({"namespace": namespace, "target": name, **more}.items()))


def test_metrics_say_what_was_decided_and_why(rig):
    """Counts, reasons, signals and their quality stand there for each target, without any other label."""
    world = rig("a", "b", listen=LOOPBACK)
    world.tick()
    world.cluster.workloads[A].pending = 50
    world.tick()
    seen = scrape(world.daemon)
    assert seen["autoscaler_desired_replicas", *labels(A)] == 5
    assert seen["autoscaler_current_replicas", *labels(A)] == 1
    assert seen["autoscaler_desired_replicas", *labels(B)] == 1
    assert seen["autoscaler_replicas", *labels(A, state="ready")] == 1
    assert seen["autoscaler_target_mode", *labels(A, mode="Active")] == 1
    assert seen["autoscaler_decisions_total", *labels(A, direction="up", reason="Demand")] == 1
    assert seen["autoscaler_signal_value", *labels(A, signal="pendingRequests")] == 50
    assert seen["autoscaler_signal_quality", *labels(A, signal="pendingRequests", quality="ok")] == 1
    assert 0 <= seen["autoscaler_signal_age_seconds", *labels(A, signal="pendingRequests")] < 60
    assert seen["autoscaler_tick_duration_seconds_count",] == 2
    assert seen["autoscaler_last_tick_age_seconds",] >= 0
    assert seen["autoscaler_config_last_reload_successful",] == 1
    assert seen["autoscaler_errors_total", ("stage", "act")] == 0


def test_what_an_advisor_says_is_shown_and_replays(rig):
    """Its figures are metrics by the rule's and their own names, its words stand in the journal, which replays."""
    world = rig("a", listen=LOOPBACK)
    text = world.documents.read_text()
    world.documents.write_text(text.replace("  rules:\n", "  rules:\n    - {type: advisor}\n"))
    world.tick(122)
    seen = scrape(world.daemon)
    assert seen["autoscaler_rule_figure", *labels(A, rule="advisor", figure="fixed_replicas")] == 1
    assert seen["autoscaler_rule_figure", *labels(A, rule="advisor", figure="policy_missed_share")] == 0
    *_, last = replay(world.journal, lambda texts, interval: compile_texts(texts, interval, BUILT_IN))
    assert last.identical
    assert "h the policy alone would have missed 0.00%" in last.recorded.explain()


def test_series_leave_with_their_target(rig):
    """A target out of the documents has no series left, its counters included."""
    world = rig("a", "b", listen=LOOPBACK)
    world.tick()
    write_documents(world.documents.parent, "b")
    world.tick()
    seen = scrape(world.daemon)
    assert not [name for name in seen if ("target", "a") in name]
    assert [name for name in seen if ("target", "b") in name]


def test_a_missing_target_shows_as_not_observed(rig):
    """The last values stay, and a gauge says that they are no longer looked at."""
    world = rig("a", "b", listen=LOOPBACK)
    world.tick()
    world.cluster.gone.add(A)
    world.tick()
    seen = scrape(world.daemon)
    assert seen["autoscaler_target_observed", *labels(A)] == 0
    assert seen["autoscaler_target_observed", *labels(B)] == 1
    assert seen["autoscaler_desired_replicas", *labels(A)] == 1
    assert seen["autoscaler_errors_total", ("stage", "observe")] == 1


def test_a_bad_reload_shows(rig):
    """The gauge falls to 0 on documents that are wrong, and rises when they are repaired."""
    world = rig("a", listen=LOOPBACK)
    world.documents.write_text("kind: [")
    world.tick(3)
    assert scrape(world.daemon)["autoscaler_config_last_reload_successful",] == 0
    # once for the content, not once for every tick
    assert scrape(world.daemon)["autoscaler_errors_total", ("stage", "reload")] == 1
    write_documents(world.documents.parent, "a", maximum=3)
    world.tick()
    assert scrape(world.daemon)["autoscaler_config_last_reload_successful",] == 1


def test_signal_age_grows_between_ticks():
    """A daemon that stopped ticking shows samples that get older, not ones that look fresh."""
    elapsed = [0.0]
    metrics = Metrics(lambda: elapsed[0], speed=30.0)
    assert metrics.registry.get_sample_value("autoscaler_last_tick_age_seconds") == 0
    elapsed[0] = 7.0
    assert metrics.registry.get_sample_value("autoscaler_last_tick_age_seconds") == 7


def test_an_event_that_cannot_be_posted_is_counted_and_harms_no_tick(rig):
    """Events are auxiliary: the tick is complete without them."""
    world = rig("a", listen=LOOPBACK)
    world.cluster.event_failure = "HTTP 403"
    world.cluster.workloads[A].pending = 50
    assert not world.tick(2).failed
    world.said()
    assert scrape(world.daemon)["autoscaler_errors_total", ("stage", "event")] == 1


def test_healthz_goes_bad_when_ticks_stop_and_good_again():
    """Health is the age of the last completed tick, and nothing else."""
    elapsed = [100.0]
    health = Health(60.0, lambda: elapsed[0])
    endpoints = Endpoints("127.0.0.1", 0, Metrics().registry, health)
    try:
        assert get(endpoints.port, "/healthz")[0] == 200
        elapsed[0] += 61
        status, text = get(endpoints.port, "/healthz")
        assert status == 503
        assert "no tick completed for 61.0 s" in text
        health.ticked()
        assert get(endpoints.port, "/healthz")[0] == 200
    finally:
        endpoints.close()


def test_every_tick_keeps_the_daemon_healthy(rig):
    """A daemon that ticks is alive for as long as it does, and not much longer, whatever its ticks came to."""
    world = rig("a", listen=LOOPBACK)
    world.daemon.health._monotonic = world.clock.monotonic
    world.cluster.refuse = True
    world.tick(20)
    assert get(world.daemon.port, "/healthz")[0] == 200
    world.clock.advance(59)
    assert get(world.daemon.port, "/healthz")[0] == 200
    world.clock.advance(2)
    assert get(world.daemon.port, "/healthz")[0] == 503


def test_readyz_waits_for_source_and_cluster(rig):
    """Ready once documents, source and API server have been reached once, and from then on."""
    world = rig("a", listen=LOOPBACK)
    world.cluster.refuse = True
    world.tick()
    status, text = get(world.daemon.port, "/readyz")
    assert status == 503
    assert "cluster: not reached yet" in text
    assert "source: not reached yet" in text
    world.cluster.refuse = False
    world.tick()
    assert get(world.daemon.port, "/readyz") == (200, "ok\n")
    world.cluster.refuse = True
    world.tick()
    assert get(world.daemon.port, "/readyz")[0] == 200


def test_readyz_tells_why_a_probe_fails(rig):
    """An unreachable Prometheus at the start: the daemon stays up, not ready, says why, and tries again."""
    down = [True]

    def probe(_deadline_seconds):
        if down[0]:
            raise SourceError("Prometheus at http://127.0.0.1:9: connection refused")

    world = rig("a", listen=LOOPBACK, probes={"source": probe})
    world.tick()
    assert get(world.daemon.port, "/readyz") == (
        503,
        "source: Prometheus at http://127.0.0.1:9: connection refused\n",
    )
    assert get(world.daemon.port, "/healthz")[0] == 200
    down[0] = False
    world.tick()
    assert get(world.daemon.port, "/readyz")[0] == 200


def test_other_paths_and_methods(rig):
    """HEAD answers without a body, anything unknown is a 404 that says what there is."""
    world = rig("a", listen=LOOPBACK)
    assert get(world.daemon.port, "/healthz", "HEAD") == (200, "")
    assert get(world.daemon.port, "/metrics?x=1")[0] == 200
    status, text = get(world.daemon.port, "/")
    assert status == 404
    assert "/metrics" in text
    assert get(world.daemon.port, "/metrics", "POST")[0] == 501


def test_an_idle_client_delays_no_other(rig):
    """A connection that says nothing keeps nobody from being served."""
    world = rig("a", listen=LOOPBACK)
    with socket.create_connection(("127.0.0.1", world.daemon.port)):
        assert get(world.daemon.port, "/healthz")[0] == 200


def test_an_address_that_is_taken_is_told(rig):
    """A port in use is an error that names it, before the first tick."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            rig("a", listen=Listen("127.0.0.1", port))
