"""The fleet lives in the simulator's kernel, at the time of the clock, and shows itself on loopback ports."""

from __future__ import annotations

import socket
import threading
import urllib.request

import numpy as np
import pytest

from autoscaler.daemon.sandbox import hardware
from autoscaler.daemon.sandbox.fleet import BusyShare, SandboxFleet, pod_name
from autoscaler.daemon.sandbox.metrics_page import Naming
from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.daemon.sandbox.traffic import Arrivals

NAMING = Naming("vllm", "inference", "llama-8b", "Llama-3.1-8B", "NVIDIA L40S")


def page(address):
    """Return the text of `/metrics` at `host:port`."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as response:
        return response.read().decode()


@pytest.fixture
def fleet(clock):
    """One ready replica; four requests at once at 10 s, one a second from 200 s on for a minute."""
    seconds = np.array([10.0, 10.0, 10.0, 10.0, *range(200, 260)])
    tokens = np.full(seconds.size, 500)
    fleet = SandboxFleet(hardware.kernel(0, 1), Arrivals(seconds, tokens, tokens), 1, NAMING, clock.time)
    yield fleet
    fleet.close()


def test_time_is_the_clocks(fleet, clock):
    """Nothing has come at 9 s; at 11 s four requests run; at 100 s they are done and the GPU rests."""
    clock.advance(9.0)
    assert (fleet.numbers().arrived, fleet.numbers().running) == (0, 0)
    clock.advance(2.0)
    numbers = fleet.numbers()
    assert (numbers.arrived, numbers.running + numbers.waiting) == (4, 4)
    clock.advance(69.0)
    fleet.numbers()
    clock.advance(20.0)
    numbers = fleet.numbers()
    assert numbers.replicas[0].completed == 4
    assert numbers.replicas[0].busy_ratio == 0.0
    assert numbers.replicas[0].ttft.cumulative[-1] == 4


def test_new_replica_serves_only_after_its_cold_start(fleet, clock):
    """It has no port while it starts; then its port shows its own page."""
    fleet.scale_to(2)
    old, new = fleet.numbers().replicas
    assert (old.life, new.life) == (Life.READY, Life.STARTING)
    assert list(fleet.addresses()) == [old.name]
    assert 40 < new.ready_at - new.created_at < 160
    clock.advance(160.0)
    assert [replica.life for replica in fleet.numbers().replicas] == [Life.READY, Life.READY]
    assert f'pod="{new.name}"' in page(fleet.addresses()[new.name])


def test_page_is_up_to_date_when_it_is_asked_for(fleet, clock):
    """Nobody looks at the fleet between two scrapes, and yet the second sees what came in between."""
    name, address = next(iter(fleet.addresses().items()))
    assert "vllm:num_requests_running" in page(address)
    clock.advance(10.5)
    running = [line for line in page(address).splitlines() if line.startswith("vllm:num_requests_running{")]
    assert [float(line.rsplit(" ", 1)[1]) for line in running] == [4.0]
    assert name.startswith("llama-8b-")


def test_replica_that_is_gone_leaves_no_port(fleet, clock):
    """At zero its port is closed, requests wait at the gateway, and the gateway says how many."""
    address = next(iter(fleet.addresses().values()))
    host, port = address.split(":")
    fleet.scale_to(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
    assert fleet.addresses() == {}
    clock.advance(11.0)
    assert fleet.numbers().held == 4
    assert 'llm_d_epp_flow_control_queue_size{inference_pool="llama-8b"} 4.0' in page(fleet.gateway.address)


def test_draining_replica_finishes_its_requests_first(fleet, clock):
    """It keeps its port and its requests until they are done; then it is gone."""
    clock.advance(10.5)
    fleet.scale_to(0)
    assert [replica.life for replica in fleet.numbers().replicas] == [Life.DRAINING]
    assert len(fleet.addresses()) == 1
    clock.advance(60.0)
    assert fleet.numbers().replicas == ()
    assert fleet.summary(2.0).completed == 4


def test_summary_pays_for_loading(fleet, clock):
    """A second replica that only ever loads costs as much as one that serves; the future is not counted."""
    fleet.scale_to(2)
    clock.advance(36.0)
    summary = fleet.summary(2.0)
    assert summary.gpu_hours == pytest.approx(2 * 36.0 / 3600.0)
    assert (summary.requests, summary.completed, summary.unfinished) == (4, 4, 0)
    assert summary.served.attainment == 1.0
    assert summary.fixed.p99_seconds < summary.served.p99_seconds


def test_close_ends_every_thread(clock):
    """Neither replicas nor the gateway leave a thread behind."""
    before = threading.active_count()
    empty = np.empty(0)
    fleet = SandboxFleet(hardware.kernel(0, 3), Arrivals(empty, empty, empty), 3, NAMING, clock.time)
    assert threading.active_count() == before + 4
    fleet.close()
    assert threading.active_count() == before


def test_busy_share_looks_at_the_last_quarter_minute():
    """Busy until 100 s, idle since: at 107.5 s half of the window was busy, at 120 s none of it."""
    share = BusyShare()
    for now in range(101):
        share.at(float(now), float(now))
    assert share.at(100.0, 100.0) == 1.0
    for tenth in range(1001, 1201):
        now = tenth / 10
        ratio = share.at(now, 100.0)
        if now == 107.5:
            assert ratio == pytest.approx(0.5, abs=0.05)
    assert ratio == 0.0


def test_pod_names_are_unlike_each_other_and_stay():
    """A hundred pods have a hundred names, the same in each run."""
    names = [pod_name("llama-8b", "6f7d9c5b8", number) for number in range(100)]
    assert len(set(names)) == 100
    assert names[0] == pod_name("llama-8b", "6f7d9c5b8", 0)
    assert all(name.startswith("llama-8b-6f7d9c5b8-") and len(name.rsplit("-", 1)[1]) == 5 for name in names)
