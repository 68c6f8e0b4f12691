"""Whatever the world does between ticks, in whatever order, the daemon keeps its promises."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from autoscaler.daemon.catalog import compile_texts
from autoscaler.daemon.replay import replay
from autoscaler.daemon.timing import Timing
from autoscaler.engine.observation import Quality
from autoscaler.engine.spec import Mode
from autoscaler.errors import ClusterError
from tests.conftest import FakeClock
from tests.daemon.conftest import Rig
from tests.daemon.world import Gate, write_documents

NAMES = ("a", "b")
KEYS = st.sampled_from([f"inference/{name}" for name in NAMES])
WINDOW_SECONDS = 60.0
MODE = "autoscaler.inference.dev/mode"


class World(RuleBasedStateMachine):
    """Two targets, one daemon, and everything that can happen to them."""

    @initialize()
    def start(self):
        """A daemon with a journal, whose deadline for writes is short enough to let one hang."""
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.rig = Rig(Path(folder), FakeClock(), self.stack, NAMES)
        self.bounds = (1, 10)
        self.stepped_at = -1e18
        self.gates: dict[str, Gate] = {}
        self._start()

    def _start(self):
        self.rig.start(timing=Timing(observe_seconds=5.0, collect_seconds=5.0, act_seconds=0.02))

    @rule(count=st.integers(1, 6), seconds=st.sampled_from([15.0, 15.0, 15.0, 1.0, 14.0, 16.0, 300.0]))
    def tick(self, count, seconds):
        """Time passes, the daemon ticks, and every promise is looked at."""
        cluster = self.rig.cluster
        for _ in range(count):
            before = len(cluster.writes)
            report = self.rig.tick(1, seconds)
            if report.step_seconds:
                self.stepped_at = report.at
            modes = {target.key: target.mode for target in report.targets}
            for key, _, after in cluster.writes[before:]:
                assert modes[key] is Mode.ACTIVE, "written although somebody said not to"
                assert self.bounds[0] <= after <= self.bounds[1]
            for target in report.targets:
                if target.decision is not None:
                    self._judge(target, report.at)

    def _judge(self, target, at):
        decision = target.decision
        minimum, maximum = self.bounds
        if target.mode is not Mode.PAUSED and decision.current > 0:
            assert minimum <= decision.replicas <= maximum
        unknown = target.observation.signals["pendingRequests"].quality is not Quality.OK
        if unknown or at - self.stepped_at < WINDOW_SECONDS:
            assert decision.replicas >= min(decision.current, maximum), "lowered without knowing"

    @rule(key=KEYS, pending=st.sampled_from([0.0, 5.0, 30.0, 64.0, 500.0]))
    def load(self, key, pending):
        """The load changes."""
        self.rig.cluster.workloads[key].pending = pending

    @rule(key=KEYS, quality=st.sampled_from([*Quality]))
    def metrics(self, key, quality):
        """Signals are lost, or come back."""
        chosen = Quality.ERROR if quality is Quality.PARTIAL else quality
        self.rig.cluster.workloads[key].quality = chosen

    @rule(refuse=st.booleans())
    def api_server(self, refuse):
        """The API server goes away, or comes back."""
        self.rig.cluster.refuse = refuse

    @rule(key=KEYS, count=st.integers(0, 14))
    def conflict(self, key, count):
        """Somebody else writes between our reading and our writing."""
        self.rig.cluster.hooks[key] = lambda *_: (self._unhook(key), self.rig.cluster.set(key, count))

    @rule(key=KEYS, happened=st.booleans())
    def lost_answer(self, key, happened):
        """The answer to a write is lost, and the write happened or did not."""

        def lose(_workload, replicas):
            self._unhook(key)
            if happened:
                self.rig.cluster.set(key, replicas)
            raise ClusterError("no answer")

        self.rig.cluster.hooks[key] = lose

    @rule(key=KEYS)
    @precondition(lambda self: not self.gates)
    def hang(self, key):
        """The next write of one target hangs."""
        gate = self.gates[key] = Gate()

        def hang(*_):
            self._unhook(key)
            gate()
            raise ClusterError("cut off at last")

        self.rig.cluster.hooks[key] = hang

    @rule()
    @precondition(lambda self: self.gates)
    def let_go(self):
        """What hung comes back."""
        self._open_gates()

    @rule(key=KEYS, gone=st.booleans())
    def existence(self, key, gone):
        """A target goes, or comes back."""
        (self.rig.cluster.gone.add if gone else self.rig.cluster.gone.discard)(key)

    @rule(key=KEYS, count=st.integers(0, 14))
    def foreign_change(self, key, count):
        """Somebody scales by hand."""
        self.rig.cluster.set(key, count)

    @rule(key=KEYS, mode=st.sampled_from(["", "Active", "DryRun", "Paused", "Psued"]))
    def annotate(self, key, mode):
        """Somebody annotates the target."""
        self.rig.cluster.workloads[key].annotations = {MODE: mode} if mode else {}

    @rule(bounds=st.sampled_from([(1, 10), (2, 4), (1, 3), (5, 12)]), per_replica=st.sampled_from([5, 10]))
    def reload(self, bounds, per_replica):
        """Good documents take the place of the old ones."""
        write_documents(self.rig.documents.parent, *NAMES, minimum=bounds[0], maximum=bounds[1], target=per_replica)
        self.bounds = bounds

    @rule()
    def bad_reload(self):
        """Bad documents take the place of good ones, which stay in force."""
        self.tick(1, 15.0)
        good = self.rig.documents.read_text()
        self.rig.documents.write_text("kind: [")
        self.tick(1, 15.0)
        self.rig.documents.write_text(good)

    @rule(seconds=st.sampled_from([-86400.0, -3600.0, -6.0, -2.0, 2.0, 6.0, 3600.0]))
    def set_the_clock(self, seconds):
        """Somebody sets the wall clock."""
        self.rig.clock.step(seconds)

    @rule()
    def restart(self):
        """The daemon ends and starts again, with nothing but the journal left of it."""
        self._open_gates()
        self.rig.daemon.close()
        self._start()
        # what a restart forgets, it may not lower by
        self.stepped_at = self.rig.clock.time()

    def _unhook(self, key):
        self.rig.cluster.hooks.pop(key, None)

    def _open_gates(self):
        for key, gate in self.gates.items():
            self._unhook(key)
            gate.open()
        self.gates.clear()
        end = time.monotonic() + 10
        while self.rig.daemon._ticker._actuator.in_flight and time.monotonic() < end:
            threading.Event().wait(0.001)

    def teardown(self):
        """At the end of every story its journal replays to itself."""
        if not hasattr(self, "rig"):
            return
        self._open_gates()
        self.rig.daemon.close()
        try:
            for replayed in replay(self.rig.journal, compile_texts):
                assert replayed.identical, f"line {replayed.line} replays differently"
        finally:
            self.stack.close()


@pytest.fixture
def _quiet():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_quiet")
def test_promises_hold_in_every_story():
    """Within bounds, never lowered unknowing, never written unasked, and every journal replays to itself."""
    run_state_machine_as_test(World, settings=settings(stateful_step_count=30))
