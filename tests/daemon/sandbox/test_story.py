"""The whole sandbox: the real daemon, over HTTP, against the embedded fleet, from the first request to the last.

The clock stands still between ticks, so the story is the same each time, however slow the machine.
"""

from __future__ import annotations

import io
import logging
import threading
import time
import urllib.request
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.daemon.catalog import compile_texts
from autoscaler.daemon.replay import replay
from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.daemon.sandbox.picture import SteppedClock, animate, play, record
from autoscaler.daemon.sandbox.run import SandboxOptions, run_sandbox
from autoscaler.daemon.sandbox.sandbox import Sandbox
from autoscaler.daemon.sandbox.traffic import STORY, story_seconds
from autoscaler.engine.decision import Reason
from autoscaler.errors import UsageError

SECONDS = story_seconds()


def begins(name):
    """Return the second in which a chapter of the story begins."""
    index = [chapter.name for chapter in STORY].index(name)
    return sum(chapter.seconds for chapter in STORY[:index])


def threads_left(before):
    """Return how many more threads there are than before, after the time that a thread may take to end."""
    end = time.monotonic() + 10.0
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.02)
    return max(0, threading.active_count() - before)


@pytest.fixture
def own_logs():
    """Give logging back as it was: a run in a terminal takes it for itself."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The story as it was told: the last scene, the summary, what the daemon's endpoints said, and the journal."""
    journal = tmp_path_factory.mktemp("story") / "journal.jsonl"
    clock = SteppedClock(speed=30.0)
    before = threading.active_count()
    with Sandbox(clock, SECONDS, horizon_seconds=SECONDS, journal=journal) as sandbox:
        sandbox.daemon.tick()
        play(sandbox, clock, SECONDS)
        with urllib.request.urlopen(f"http://{sandbox.setting.daemon_address}/metrics", timeout=5) as response:
            page = response.read().decode()
        result = sandbox.scene(), sandbox.summary(), page, journal, list(sandbox.world.deployment.events)
    assert threads_left(before) == 0
    return result


def test_one_to_many_while_traffic_rises(told):
    """It starts with one replica, asks for more during the rise, and has at least four ready in the peak."""
    scene = told[0]
    rise, fall = begins("rise"), begins("fall")
    ups = [change for change in scene.changes if change.at_seconds < fall and change.decision.direction == "up"]
    assert ups
    assert all(change.at_seconds > rise for change in ups)
    assert scene.moments[0].ready == 1
    assert max(moment.ready for moment in scene.moments if moment.elapsed_seconds < fall) >= 4


def test_replicas_come_late_and_the_queue_recovers(told):
    """A queue builds while replicas load; once they are ready it is gone, and the P99 is within the objective again."""
    scene = told[0]
    loading = [m for m in scene.moments if m.starting and m.elapsed_seconds < begins("fall")]
    late = [m for m in scene.moments if begins("fall") - 120 < m.elapsed_seconds < begins("fall")]
    assert max(moment.queue for moment in loading) > 20
    assert max(moment.latency_seconds for moment in loading if moment.latency_seconds) > 2
    assert max(moment.queue for moment in late) < 10
    assert max(moment.latency_seconds for moment in late) < 2


def test_idle_timer_takes_the_last_replica(told):
    """Without traffic windows lower to one, and only the idle timer to zero: 240 s of proof, not less."""
    idle = next(change for change in told[0].changes if change.decision.replicas == 0)
    assert idle.decision.reason is Reason.IDLE
    assert idle.decision.current == 1
    assert begins("idle") + 240 <= idle.at_seconds < begins("wake")


def test_request_at_the_gateway_wakes_it(told):
    """At zero for minutes; the first request wakes it at the next tick, and is served after one cold start."""
    scene = told[0]
    wake = next(change for change in scene.changes if change.decision.reason is Reason.WAKE)
    assert (wake.decision.current, wake.decision.replicas) == (0, 1)
    assert 0 <= wake.at_seconds - begins("wake") <= 15
    after = [m for m in scene.moments if m.elapsed_seconds > wake.at_seconds]
    assert after[0].starting == 1
    assert after[0].queue == 1
    assert after[-1].ready >= 1
    assert after[-1].queue == 0


def test_unknown_is_never_shown_as_zero(told):
    """While no replica is ready the P99 is not known, and the queue is what the gateway holds."""
    asleep = [m for m in told[0].moments if m.ready == 0]
    assert len(asleep) > 10
    assert {m.latency_seconds for m in asleep} == {None}
    assert {m.gpu_percent for m in asleep} == {None}


def test_summary_adds_up(told):
    """All that arrived is completed or still there; the fixed fleet of the peak's size costs about twice as much."""
    scene, summary = told[:2]
    assert summary.requests == scene.fleet.arrived == summary.completed + summary.unfinished
    assert summary.unfinished < 60
    assert summary.peak_replicas == max(change.decision.replicas for change in scene.changes)
    assert summary.fixed_gpu_hours == pytest.approx(summary.peak_replicas * 0.5)
    assert 0.3 * summary.fixed_gpu_hours < summary.gpu_hours < 0.6 * summary.fixed_gpu_hours
    assert 0.9 < summary.served.attainment < summary.fixed.attainment


def test_daemon_tells_the_same(told):
    """Its own endpoint shows the last decision, and the Deployment has an Event for each kind of change."""
    scene, _, page, _, events = told
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    desired = [sample.value for sample in samples if sample.name == "autoscaler_desired_replicas"]
    assert desired == [scene.decision.replicas]
    assert {"ScaledUp", "ScaledDown"} <= {event.reason for event in events}


def test_journal_replays_to_itself(told):
    """The decisions of the whole story come out of its journal again."""
    replayed = list(replay(told[3], compile_texts))
    assert len(replayed) == SECONDS / 15 + 1
    assert all(decision.identical for decision in replayed)


def test_tgi_tells_the_same_story():
    """With TGI's names, whose idle replicas show no series at all, it still goes up, to zero, and wakes."""
    clock = SteppedClock()
    with Sandbox(clock, SECONDS, horizon_seconds=SECONDS, backend="tgi") as sandbox:
        sandbox.daemon.tick()
        play(sandbox, clock, SECONDS)
        scene = sandbox.scene()
    counts = [change.decision.replicas for change in scene.changes]
    assert max(counts) >= 3
    assert 0 in counts
    assert counts[counts.index(0) + 1] == 1
    assert scene.setting.latency_name == "P99 E2E"


def test_dry_run_decides_and_changes_nothing():
    """In a dry run the count stays, the screen says what would be, and says it once."""
    clock = SteppedClock()
    with Sandbox(clock, SECONDS, horizon_seconds=SECONDS, dry_run=True) as sandbox:
        sandbox.daemon.tick()
        play(sandbox, clock, begins("rise") + 120)
        scene = sandbox.scene()
    assert scene.wanted == 1
    assert scene.fleet.count(Life.READY) == 1
    counts = [change.decision.replicas for change in scene.changes]
    assert counts
    assert all(change.dry_run for change in scene.changes)
    assert all(one != other for one, other in pairwise(counts))


@pytest.mark.usefixtures("own_logs")
def test_run_in_real_time_writes_plain_lines_and_a_summary():
    """Three real seconds at speed 100 into a file: an opening, a state, a summary, and no escape codes."""
    file = io.StringIO()
    before = threading.active_count()
    run_sandbox(SandboxOptions(speed=100.0, duration_seconds=3.0), file)
    text = file.getvalue()
    assert "\x1b" not in text
    assert text.startswith("autoscaler sandbox: inference/llama-8b")
    assert "1 ready" in text
    assert "every figure is simulated" in text
    assert "GPU-hours" in text
    assert threads_left(before) == 0


@pytest.mark.usefixtures("own_logs")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SandboxOptions(speed=0.0), r"--speed: must be above 0 and at most 100 \(found 0\)"),
        (SandboxOptions(speed=1000.0), r"--speed: .*found 1000"),
        (SandboxOptions(duration_seconds=0.0), r"--duration: must be above 0 seconds \(found 0\)"),
        (SandboxOptions(backend="sglang"), r"'sglang' is not one of vllm, tgi"),
    ],
)
def test_wrong_options_are_refused(options, message):
    """The message names the option, what is allowed and what was found."""
    with pytest.raises(UsageError, match=message):
        run_sandbox(options, io.StringIO())


def test_recording_is_one_svg_that_needs_nothing_else():
    """It holds a frame for each minute asked for, and refers to no font, script or picture elsewhere."""
    svg = animate(record((1.0, 4.0)), still=1)
    root = ET.fromstring(svg)
    names = {"svg": "http://www.w3.org/2000/svg"}
    assert [group.get("class") for group in root.findall("svg:g/svg:g[@class]", names)] == ["frame", "frame still"]
    assert "01:00" in svg
    assert "04:00" in svg
    assert svg.count("http") == svg.count("http://www.w3.org/2000/svg")
