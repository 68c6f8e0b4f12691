"""Scenes for the tests of what is shown."""

from __future__ import annotations

import math

from autoscaler.daemon.sandbox.history import Moment
from autoscaler.daemon.sandbox.numbers import FleetNumbers, HistogramNumbers, Life, ReplicaNumbers
from autoscaler.daemon.sandbox.scene import Change, Scene, Setting
from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import Fleet
from autoscaler.engine.observation import SignalRequest
from autoscaler.engine.proposal import Kind, Proposal

EMPTY = HistogramNumbers((math.inf,), (0,), 0.0)
SETTING = Setting(
    target="inference/llama-8b",
    backend="vllm",
    hardware="Llama-3.1-8B on L40S",
    speed=30.0,
    duration_seconds=1800.0,
    max_replicas=6,
    latency=SignalRequest("timeToFirstToken", 0.99),
    objective_seconds=2.0,
    daemon_address="127.0.0.1:45123",
    gateway_address="127.0.0.1:45124",
    documents="/tmp/autoscaler-sandbox-x1y2z3w4/demo.yaml",
)
LONG = "a reason that goes on and on, with numbers such as 103 pending / 24 per replica = 4.29, and does not end here"


def replica(name, life, ready_at=400.0):
    """Return a replica in the middle of its life."""
    return ReplicaNumbers(name, life, 300.0, ready_at, 3, 10, 0.4, 0.9, 100, 1000, 1000, EMPTY, EMPTY)


def moments(until_seconds):
    """Return a moment every 15 s, with a queue and a latency that rise and fall."""
    return tuple(
        Moment(
            at,
            14 * min(1.0, at / 200),
            50 * abs(math.sin(at / 300)),
            None if at < 60 else 5 * abs(math.sin(at / 500)),
            95.0,
            1,
            2,
            3,
        )
        for at in range(0, until_seconds, 15)
    )


def decision(before=1, after=3, reason=Reason.DEMAND, why=LONG):
    """Return a decision with four rules and a full trail."""
    names = ("pendingRequests", "queueDepth", "latency", "gpuUtilization")
    trail = (
        Stage("history", before, before, "ok"),
        Stage("size", before, 5, why),
        Stage("credit", 5, 5, ""),
        Stage("stabilize", 5, 4, why),
        Stage("rate", 4, after, why),
        Stage("bounds", after, after, "1 to 6"),
        Stage("idle", after, after, ""),
    )
    fleet = Fleet(1, 2, 0, 0, 0, 0, False, 3, 80.0, 0.0)
    proposals = tuple((name, Proposal(Kind.DEMAND, 4.29, why)) for name in names)
    return Decision("inference/llama-8b", 300.0, before, after, reason, trail, proposals, fleet)


def scene(elapsed_seconds=360.0, **fields):
    """Return a scene in the middle of the rise: one replica ready and two on their way."""
    fleet = FleetNumbers(
        360.0, (replica("a", Life.READY), replica("b", Life.STARTING), replica("c", Life.STARTING)), 0, 500
    )
    values = {
        "setting": SETTING,
        "wanted": 3,
        "fleet": fleet,
        "moments": moments(int(elapsed_seconds)),
        "decision": decision(),
        "changes": (Change(300.0, decision()),),
    }
    return Scene(elapsed_seconds=elapsed_seconds, **(values | fields))
