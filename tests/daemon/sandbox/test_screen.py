"""Plain output is for pipes: whole lines, no escape codes, nothing said twice."""

from __future__ import annotations

import io

from autoscaler.daemon.sandbox.plain import change_line
from autoscaler.daemon.sandbox.scene import Change
from autoscaler.daemon.sandbox.screen import PlainScreen, choose_screen
from autoscaler.engine.decision import Reason

from . import scenes


def test_not_a_terminal_gets_plain_lines_without_escape_codes():
    """A file gets the opening, the chapter, the change and the state, in ASCII for this story."""
    file = io.StringIO()
    screen = choose_screen(file, scenes.SETTING)
    assert isinstance(screen, PlainScreen)
    screen.show(scenes.scene())
    screen.close(["done"])
    text = file.getvalue()
    assert "\x1b" not in text
    assert "[05:00] 1 -> 3 replicas (Demand)" in text
    assert "[06:00] 1 ready, 2 starting | 14.0 req/s" in text
    assert text.endswith("done\n")


def test_each_change_and_chapter_is_written_once():
    """The same scene again writes nothing; a state line comes every five seconds of real time."""
    file, now = io.StringIO(), 0.0
    screen = PlainScreen(file, scenes.SETTING, lambda: now)
    scene = scenes.scene()
    for _ in range(10):
        screen.show(scene)
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    now = 5.0
    again = Change(375.0, scenes.decision(3, 4, why="68 pending"))
    screen.show(scene._replace(changes=(*scene.changes, again)))
    assert file.getvalue().splitlines()[6:] == ["[06:15] 3 -> 4 replicas (Demand): 68 pending", lines[5]]


def test_no_replica_and_no_signal_are_words():
    """At zero there is `no replica`, and what is not known is a dash."""
    file = io.StringIO()
    moment = scenes.moments(15)[-1]._replace(queue=None, latency_seconds=None, gpu_percent=None, rate=0.0)
    empty = scenes.scene().fleet._replace(replicas=())
    PlainScreen(file, scenes.SETTING, lambda: 0.0).show(scenes.scene(fleet=empty, moments=(moment,)))
    assert "[06:00] no replica | 0.0 req/s | queue - | P99 TTFT - | GPU -" in file.getvalue()


def test_file_that_cannot_show_a_letter_gets_a_question_mark():
    """An ASCII file is no reason to stop."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    PlainScreen(file, scenes.SETTING).close(["1 → 3"])
    assert raw.getvalue().endswith(b"1 ? 3\n")


def test_hold_at_the_same_count_names_the_sizing():
    """A line for a decision without any moving stage gives the sizing's reason."""
    line = change_line(Change(61.0, scenes.decision(3, 3, Reason.IDLE, "4 pending")))
    assert line.startswith("[01:01] 3 -> 3 replicas (Idle): ")
