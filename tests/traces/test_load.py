"""Trace files: what is read, and what is said about those that cannot be."""

from __future__ import annotations

import gzip
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import TraceError
from autoscaler.traces.canonical import parse
from autoscaler.traces.load import load_trace

HEADER = "arrival_seconds,prompt_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
SHARED = Path(__file__).parents[3] / "shared" / "traces"


def test_the_canonical_trace_is_read_as_it_stands(write):
    """Arrivals are not shifted, ties and zero tokens are kept, lines may end in either way, columns may be quoted."""
    trace = load_trace(write(HEADER + '0.5,10,20\r\n0.5,0,1\n\n"2.25","7",3'))
    assert trace.arrival_seconds.tolist() == [0.5, 0.5, 2.25]
    assert trace.prompt_tokens.tolist() == [10, 0, 7]
    assert trace.output_tokens.tolist() == [20, 1, 3]
    assert trace.notes == ()
    assert trace.duration_seconds == 2.25


def test_columns_may_stand_in_any_order(write):
    """Model and tenant may be there and hold commas; a column that nobody knows is read over with a note."""
    text = 'tenant,output_tokens,arrival_seconds,mood,prompt_tokens,model\n"a, b",3,1,good,2,llama\n'
    trace = load_trace(write(text))
    assert tuple(column.tolist() for column in trace[1:4]) == ([1.0], [2], [3])
    assert trace.notes == ("column mood is not used",)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_compressed_files_are_known_by_their_content(write, pack):
    """Gzip and xz are unpacked whatever the file is called."""
    assert load_trace(write(pack((HEADER + "1,2,3\n").encode()), "trace.bin")).prompt_tokens.tolist() == [2]


def test_azure_stamps_become_seconds_from_the_first(write):
    """Seven digits of a second are kept to the last one."""
    rows = "2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951691,396,109"
    trace = load_trace(write(AZURE + rows))
    assert pytest.approx(trace.arrival_seconds.tolist(), abs=1e-9) == [0.0, 4.3145791]
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist(), trace.notes) == ([374, 396], [44, 109], ())


def test_azure_rows_out_of_order_are_sorted_with_a_note(write):
    """A recorded trace may be out of order: requests are sorted, each with its own tokens, and it is said."""
    trace = load_trace(write(AZURE + "2023-11-16 18:15:50,2,20\n2023-11-16 18:15:46,1,10\n"))
    assert tuple(column.tolist() for column in trace[1:4]) == ([0.0, 4.0], [1, 2], [10, 20])
    assert trace.notes == ("rows were out of order and have been sorted",)


BAD = {
    "": "is empty",
    "\n \n": "is empty",
    HEADER: "holds no request",
    "<!DOCTYPE html><title>Sign in</title>": "line 1: must be the header .* (found '<!DOCTYPE html>",
    "a,b\n1,2\n": "line 1: must be the header",
    "arrival_seconds,prompt\n1,2\n": "line 1: must have the columns prompt_tokens, output_tokens (found arrival_sec",
    "TIMESTAMP,ContextTokens\n2023-11-16 18:15:46,3\n": "line 1: must have the column GeneratedTokens",
    HEADER + "1,2,3\n2,3\n": "line 3: must have 3 columns (found 2)",
    HEADER + "1,2,3\n2,3,4,5\n": "line 3: must have 3 columns (found 4)",
    HEADER + "1,2,3\n\n2,x,4\n": "line 4, column prompt_tokens: must be a whole number from 0 to .* (found 'x')",
    HEADER + "1,-2,3\n": "line 2, column prompt_tokens: .* (found '-2')",
    HEADER + "1,2,2.5\n": "line 2, column output_tokens: .* (found '2.5')",
    HEADER + "1,2,\n": "line 2, column output_tokens: .* (found '')",
    HEADER + "1,2,1_000\n": "line 2, column output_tokens: .* (found '1_000')",
    HEADER + "1,99999999999,3\n": "line 2, column prompt_tokens: .* (found '99999999999')",
    HEADER + "nan,2,3\n": "line 2, column arrival_seconds: must be a finite number of seconds, 0 or more (found 'nan')",
    HEADER + "1,2,3\ninf,2,3\n": "line 3, column arrival_seconds: .* (found 'inf')",
    HEADER + "-0.1,2,3\n": "line 2, column arrival_seconds: .* (found '-0.1')",
    HEADER + "1,2,3\n\n0.5,2,3\n": "line 4, column arrival_seconds: must not be before the row above, 1 (found 0.5)",
    HEADER + '1,"2,3\n4,5,6\n': "line 3: must have 3 columns (found 2)",
    AZURE + "yesterday,3,4\n": "line 2, column TIMESTAMP: must be a moment such as .* (found 'yesterday')",
    AZURE + "2023-13-16 18:15:46,3,4\n": "line 2, column TIMESTAMP: .* (found '2023-13-16 18:15:46')",
    AZURE + "2023-11-16 18:15:46,3,-4\n": "line 2, column GeneratedTokens: .* (found '-4')",
}


def _pattern(message):
    return ".*".join(map(re.escape, message.split(".*")))


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=range(len(BAD)))
def test_bad_files_name_file_line_column_and_value(write, text, message):
    """Whatever is wrong is said in one line: where it stands, what stands there, and what may."""
    path = write(text)
    with pytest.raises(TraceError, match=_pattern(message)) as caught:
        load_trace(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_damaged_archives_say_so(write, pack):
    """An archive that is cut short is an error, and not half of a trace."""
    with pytest.raises(TraceError, match="damaged or cut short"):
        load_trace(write(pack((HEADER + "1,2,3\n" * 100).encode())[:-9]))


def test_bytes_that_are_no_text_name_their_line(write):
    """A byte that is not UTF-8 is named with its line."""
    with pytest.raises(TraceError, match=r"line 3: must be UTF-8 text \(found byte 0xff\)"):
        load_trace(write(HEADER.encode() + b"1,2,3\n2,\xff,3\n"))


def test_files_that_cannot_be_opened_say_why(tmp_path):
    """A missing file and a folder are named with the system's reason."""
    with pytest.raises(TraceError, match="No such file"):
        load_trace(tmp_path / "nothing.csv")
    with pytest.raises(TraceError, match="Is a directory"):
        load_trace(tmp_path)


VALUES = st.one_of(
    st.integers(-5, 100).map(str),
    st.floats(-1, 50).map(str),
    st.sampled_from(["", "x", "nan", "1e3", '"', " 7 ", "\0"]),
)


@given(st.lists(st.lists(VALUES, min_size=2, max_size=4).map(",".join), max_size=6).map("\n".join))
def test_any_rows_are_read_or_refused(rows):
    """Whatever stands below the header, the result is a sound trace or a TraceError, and nothing else."""
    try:
        trace = parse("file", HEADER + rows)
    except TraceError:
        return
    assert len(trace.arrival_seconds) == len([row for row in rows.split("\n") if row])
    assert (np.diff(trace.arrival_seconds) >= 0).all()
    assert all((column >= 0).all() for column in trace[1:4])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded traces are not here")
@pytest.mark.parametrize(
    ("name", "requests", "prompt", "output"),
    [("azure-llm-2023-conv", 19_366, 1154.7, 211.1), ("azure-llm-2023-code-first-24min", 4_575, 2047.8, 27.9)],
)
def test_recorded_traces_are_read_whole(name, requests, prompt, output):
    """The Azure traces have as many requests as were published, and their mean lengths."""
    trace = load_trace(SHARED / f"{name}.csv.xz")
    assert requests == len(trace.arrival_seconds)
    assert prompt == pytest.approx(trace.prompt_tokens.mean(), rel=0.05)
    assert output == pytest.approx(trace.output_tokens.mean(), rel=0.05)
