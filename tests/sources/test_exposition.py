"""Pages in the text format."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import SourceError
from autoscaler.signals.page import Sample
from autoscaler.sources.exposition import parse_page, parse_selector

PAGE = """\
# HELP tgi_request_count Requests.
# TYPE tgi_request_count counter
tgi_request_count 5
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a\\"b}c"} 3.0
vllm:num_requests_waiting_by_reason{reason="capacity"} 9
 vllm:num_requests_waiting{engine="1",model_name="m"} +Inf 1700000000000
vllm:num_requests_waiting{engine="1",model_name="m"} 4
other{} broken
"""


def test_only_the_wanted_names_are_read() -> None:
    """Longer names are others, counters keep their names, of duplicates the first counts, broken others do not hurt."""
    samples = parse_page(PAGE, ["vllm:num_requests_waiting", "tgi_request_count"])
    assert samples == (
        Sample("tgi_request_count", {}, 5.0),
        Sample("vllm:num_requests_waiting", {"engine": "0", "model_name": 'a"b}c'}, 3.0),
        Sample("vllm:num_requests_waiting", {"engine": "1", "model_name": "m"}, math.inf),
    )
    assert all(type(sample.value) is float for sample in samples)


def test_nothing_wanted_is_nothing_found() -> None:
    """An empty page is a page: a fresh server may have nothing to show."""
    assert parse_page("", ["a"]) == ()
    assert parse_page(PAGE, ["absent"]) == ()


@pytest.mark.parametrize("page", ["<html>Sign in</html>", "\n <!DOCTYPE html>", '{"a": 1}', "[1]"])
def test_what_is_no_page_is_an_error(page: str) -> None:
    """A login page or JSON has no metrics, which is not the same as none of these metrics."""
    with pytest.raises(SourceError, match="not a page of metrics"):
        parse_page(page, ["a"])


@pytest.mark.parametrize("line", ["a seven", 'a{b="c" 3', "a{b=c} 3", "a ", 'a{b="c",b="d"} 3', "a 1_000"])
def test_a_broken_line_of_a_wanted_name_is_an_error(line: str) -> None:
    """Half a number is no number."""
    with pytest.raises(SourceError, match="broken line"):
        parse_page(f"{line}\n", ["a"])


@pytest.mark.parametrize(
    ("text", "name", "labels"),
    [
        ("queue_size", "queue_size", {}),
        (' queue_size{pool="a", b="}"} ', "queue_size", {"pool": "a", "b": "}"}),
        ("vllm:x", "vllm:x", {}),
    ],
)
def test_selector(text: str, name: str, labels: dict[str, str]) -> None:
    """A series is named as it stands on the page."""
    assert parse_selector(text)[:2] == (name, labels)


@pytest.mark.parametrize("text", ["", "a b", "sum(a)", 'a{b=~"c"}', "a{b}", "# a", "a\nb"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    """PromQL is not understood here, and says so."""
    with pytest.raises(SourceError, match="expected"):
        parse_selector(text)


@given(text=st.text(max_size=200) | st.text(alphabet='a{}"=,\\ \t\n#0.e', max_size=60))
def test_any_text_is_samples_or_an_error(text: str) -> None:
    """Nothing else ever comes out of a page."""
    try:
        samples = parse_page(text, ["a", "ae"])
    except SourceError:
        return
    assert all(sample.name in ("a", "ae") for sample in samples)


@pytest.mark.parametrize("text", ["A 5", "A 0", "A NAN", 'A{b="c"} 0', "A 5 7"])
def test_a_sample_is_no_selector(text: str) -> None:
    """A value behind the name is a slip of whoever wrote it, and is told."""
    with pytest.raises(SourceError, match="name or name"):
        parse_selector(text)


@given(text=st.text(max_size=60))
def test_any_text_is_a_selector_or_an_error(text: str) -> None:
    """Nothing else ever comes out of a selector."""
    with suppress(SourceError):
        assert parse_selector(text).value == 0
