"""The page: whole, self-contained, and readable by a parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from autoscaler.errors import UsageError
from autoscaler.experiments.compare import Keep, compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.plot import Figure, Line, Mark, Panel, clock, draw
from autoscaler.experiments.report import page, write_report

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br"}


class _Nesting(HTMLParser):
    """Fails on elements that are not closed in order; collects what could be fetched."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.fetched = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def comparison(make):
    """Return a comparison of two policies that scale, under a name that wants to be escaped."""
    scene = make(
        traffic={"generator": {"requestsPerSecond": 20, "durationSeconds": 300}},
        preset="l40s-llama-3.1-8b",
        coldStart={"seconds": 40},
    )._replace(name="<b>&")
    players = [player for name in ("llm-interactive", "fixed:1") for player in contestants(name, scene)]
    return compare(scene, players, compiled=None, timer=lambda: 0.0, keep=Keep(record=True, results=True))


def test_the_page_needs_nothing_else(comparison):
    """No script, nothing to fetch, everything closed in order, and foreign text escaped."""
    text = page(comparison, "it teaches 1 < 2")
    parser = _Nesting()
    parser.feed(text)
    parser.close()
    assert (parser.open, parser.fetched) == ([], [])
    for word in ("<script", "@import", "url(", "<b>&"):
        assert word not in text
    assert set(re.findall(r"https?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "it teaches 1 &lt; 2" in text
    assert not re.search(r"=\"[^\"]*\bnan\b", text.lower())  # of coordinates: a reason may say that a signal is NaN


def test_the_page_shows_table_plots_decisions_and_source(comparison):
    """A row and a figure for each policy; the decisions with their reasons; source, grade and what is modelled."""
    text = page(comparison, "")
    figures = [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    assert len(figures) == 2
    marks = [path for path in figures[0].iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    record = comparison.runs[0].record
    assert len(marks) == len(record.changes) > 0
    assert "rule capacity" in marks[0].find(f"{SVG}title").text
    preset = comparison.scene.preset
    for word in (preset.source, preset.grade, preset.engine, "Not modelled", "llm-interactive", "fixed:1"):
        assert word in text


def test_a_partial_comparison_says_so(comparison):
    """The page of an interrupted simulation is marked as such."""
    assert "Partial" not in page(comparison, "")
    assert "Partial" in page(comparison._replace(partial=True), "")


def test_long_runs_stay_small(make):
    """A day at a decision every 15 s is drawn in a few hundred steps."""
    scene = make(traffic={"generator": {"requestsPerSecond": 0.01, "durationSeconds": 86400}})
    keep = Keep(record=True, results=True)
    found = compare(scene, contestants("fixed:1", scene), compiled=None, timer=lambda: 0.0, keep=keep)
    assert len(found.runs[0].record.samples) > 5000
    assert len(page(found, "")) < 600_000


def test_a_page_that_cannot_be_written_is_a_usage_error(comparison, tmp_path):
    """The file's name stands in the message."""
    with pytest.raises(UsageError, match="no/page"):
        write_report(tmp_path / "no" / "page.html", comparison, "")


def _shapes(panel, times=(0.0, 10.0, 20.0), marks=()):
    return ET.fromstring(draw(Figure(times, (panel,), marks)))


def test_unknown_values_leave_a_gap():
    """A line with NaN in the middle is drawn in two parts."""
    line = Line("x", "#123456", (1.0, 2.0, float("nan"), 4.0, 5.0))
    figure = _shapes(Panel("p", (line,)), times=(0.0, 1.0, 2.0, 3.0, 4.0))
    parts = [
        path for path in figure.iter(f"{SVG}path") if path.get("stroke") == "#123456" and path.get("fill") == "none"
    ]
    assert len(parts) == 2


@pytest.mark.parametrize("logarithmic", [False, True])
def test_panels_without_anything_to_show_are_drawn(logarithmic):
    """No value, only zeros, and a single time do not fail."""
    nan = float("nan")
    for values in ((nan, nan, nan), (0.0, 0.0, 0.0)):
        assert len(_shapes(Panel("p", (Line("x", "#000", values),), logarithmic=logarithmic)))
    assert len(_shapes(Panel("p", (Line("x", "#000", (1.0,)),), logarithmic=logarithmic), times=(5.0,)))


def test_marks_tell_their_title():
    """A mark holds its words, escaped."""
    mark = Mark(10.0, 1.0, upward=True, title="a < b")
    figure = _shapes(Panel("p", (Line("x", "#000", (1.0, 1.0, 1.0)),)), marks=(mark,))
    titles = [title.text for path in figure.iter(f"{SVG}path") for title in path.iter(f"{SVG}title")]
    assert titles == ["a < b"]


def test_moments_are_told_as_people_tell_them():
    """Hours and minutes; seconds and days where there are any."""
    assert [clock(0), clock(90), clock(3600), clock(90061)] == ["0:00", "0:01:30", "1:00", "1d 1:01:01"]
