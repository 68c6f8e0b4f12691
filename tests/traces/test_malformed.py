"""Malformed traces, thrown at every loader: only a TraceError may come out, or a trace that is what the file says."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import math
import re
import tarfile

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import TraceError
from autoscaler.traces import load, stamps
from autoscaler.traces.prefixes import PrefixCache
from autoscaler.traces.recorded import Asked
from autoscaler.traces.trace import Trace

CANONICAL = "arrival_seconds,prompt_tokens,output_tokens"
HEADERS = (
    CANONICAL,
    CANONICAL + ",model,tenant",
    "TIMESTAMP,ContextTokens,GeneratedTokens",
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type",
    "period,count",
    "model,window_start_s,rps,active_clients,rate_weighted_cv",
)
NUMBERS = st.one_of(
    st.integers(-3, 40).map(str),
    st.floats(-1, 50).map(str),
    st.integers(0, 50).map(lambda second: f"{second}.0"),
    st.sampled_from(
        ["", "x", "nan", "inf", "-inf", "1e3", "1e400", "0x10", "1_0", "\u0663", '"', '"7"', " 7 ", "+7", "-0"]
    ),
    st.sampled_from(["9" * 19, "9" * 5000, "\0", "\x1f", "a,b", "1.5", "1e-400", ".5", "5.", "1\r2", "NaT", "\ufeff"]),
)
MOMENTS = st.one_of(
    NUMBERS,
    st.datetimes().map(lambda moment: moment.isoformat(" ")),
    st.integers(0, 59).map(lambda minute: f"2024-05-10 00:{minute:02}:00"),
    st.integers(0, 59).map(lambda second: f"2024-05-10 00:00:{second:02}.5+00:00"),
    st.sampled_from(
        ["now", "2024", "2024-05-10", "2024-13-01 00:00:00", "9999-12-31 23:59:59", "2024-05-10 00:00:00+01:00"]
    ),
)
ROWS = st.lists(st.lists(MOMENTS, min_size=1, max_size=7).map(",".join), max_size=6)
RULY = st.lists(
    st.tuples(st.integers(0, 9), NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS).map(lambda row: ",".join(map(str, row))),
    max_size=5,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3000), st.floats(), st.text(max_size=4), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
KEYS = ("timestamp", "input_length", "output_length", "hash_ids", "chat_id")
SOUND = st.fixed_dictionaries(
    {"timestamp": st.integers(0, 99_999), "input_length": st.integers(0, 3000), "output_length": st.integers(0, 99)},
    optional={"hash_ids": st.lists(st.integers(0, 9), max_size=4), "chat_id": st.integers(0, 5)},
)
OBJECTS = st.one_of(SOUND, st.dictionaries(st.sampled_from(KEYS), VALUES), VALUES)


def sound(trace):
    """Check what every trace promises."""
    arrivals = trace.arrival_seconds
    assert arrivals.dtype == np.float64
    assert np.isfinite(arrivals).all()
    assert (arrivals >= 0).all()
    assert (np.diff(arrivals) >= 0).all()
    for column in (trace.prompt_tokens, trace.output_tokens, trace.prefix_tokens):
        if column is not None:
            assert column.dtype == np.int32
            assert len(column) == len(arrivals)
            assert (column >= 0).all()
    if trace.prefix_tokens is not None:
        assert (trace.prefix_tokens <= np.maximum(trace.prompt_tokens - 1, 0)).all()


def read(content, prefix_cache=None):
    """Return the trace of a file's content, checked, or None where it is refused."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    try:
        found = load.parse("the file", data, prefix_cache)
        if not isinstance(found, Trace):
            # so few that a wrong rate takes no time
            found = found.requests(Asked((0.0, 60.0), 0.01), np.random.Generator(np.random.PCG64(1)))
    except TraceError as error:
        said = str(error)
    else:
        sound(found)
        return found
    assert said.startswith("the file: ")
    assert "\n" not in said
    return None


@given(st.sampled_from(HEADERS), ROWS, st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_any_rows_below_any_header(header, rows, end):
    """Rows of any length, of words, numbers and moments."""
    read(end.join([header, *rows]))


@given(RULY)
def test_the_fast_way_reads_what_the_exact_one_reads(rows):
    """A canonical trace that is accepted has the very numbers that its text says, row for row."""
    found = read("\n".join([CANONICAL + ",model,tenant,more", *rows]))
    if found is None:
        return
    said = [row for row in csv.reader(io.StringIO("\n".join(rows))) if row]
    assert [float(row[0]) for row in said] == found.arrival_seconds.tolist()
    assert [int(row[1]) for row in said] == found.prompt_tokens.tolist()
    assert [int(row[2]) for row in said] == found.output_tokens.tolist()


@given(st.lists(MOMENTS, min_size=1, max_size=5))
def test_moments_are_read_alike_many_at_once_and_one_by_one(texts):
    """What is read many at once is what each says; nothing that is refused alone is taken among others."""
    values = np.array(texts, "U40")
    column = stamps.stamps("moment")
    many = column.convert(values)
    if many is None:
        return
    assert [column.parse(text) for text in values.tolist()] == many.tolist()


@given(st.lists(OBJECTS, max_size=5), st.sampled_from([None, PrefixCache(), PrefixCache(1024)]))
def test_any_json_lines(rows, cache):
    """Objects with wrong keys and values, and what is no object."""
    found = read("\n".join(json.dumps(row) for row in rows), cache)
    if found is not None:
        assert len(found.arrival_seconds) == len(rows)
        assert sum(found.prompt_tokens.tolist()) == sum(row["input_length"] for row in rows)


@given(st.text(max_size=60))
def test_any_text(text):
    """Text of no format at all, also as the first line of JSON."""
    assert read(text) is None
    read("{" + text)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"\xfd7zXZ\x00", b"PAR1", b"\xef\xbb\xbf{"]))
def test_any_bytes(data, magic):
    """Garbage, also behind the first bytes of every packed format."""
    assert read(magic + data) is None


SMALL = (CANONICAL + "\n" + "".join(f"{row},1,2\n" for row in range(50))).encode()


@given(st.sampled_from([gzip.compress(SMALL, mtime=0), lzma.compress(SMALL)]), st.data())
def test_archives_that_are_cut_or_flipped(packed, data):
    """An archive is read whole or refused: never half of it, and never other numbers."""
    if data.draw(st.booleans()):
        broken = packed[: data.draw(st.integers(0, len(packed) - 1))]
        assert read(broken) is None
        return
    place = data.draw(st.integers(0, len(packed) - 1))
    found = read(packed[:place] + bytes([packed[place] ^ (1 << data.draw(st.integers(0, 7)))]) + packed[place + 1 :])
    assert found is None or len(found.arrival_seconds) == 50


CELLS = st.one_of(NUMBERS, st.sampled_from(["Gamma", "Weibull", "0", "1", "600"]))
CLIENTS = st.lists(st.lists(CELLS, min_size=6, max_size=6).map(",".join), max_size=3).map("\n".join)
NEARLY = st.tuples(NUMBERS, NUMBERS, st.sampled_from(["Gamma", "Weibull", ""]), NUMBERS).map(
    lambda row: f"0,{row[0]},{row[1]},{row[2]},{row[3]},1\n"
)
LITERALS = st.one_of(
    st.text(max_size=12),
    st.dictionaries(st.integers(-1, 9), st.floats(), max_size=3).map(str),
    st.sampled_from(
        ["{1: 1.0}", "{}", "{1: 1e308, 2: 1e308}", "[1]", "{1: 1}" * 2, "{True: 1}", "(" * 500, "{1: 10**9}", "\0"]
    ),
)
DATASETS = st.one_of(
    st.text(max_size=12),
    st.dictionaries(
        st.sampled_from(["0", "600", "x", "-1"]),
        st.fixed_dictionaries({"input_tokens": LITERALS, "output_tokens": LITERALS}),
        max_size=2,
    ).map(json.dumps),
)


def packed(trace, dataset):
    """Return a tar with one client."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, text in (("chunk-0-trace.csv", trace), ("chunk-0-dataset.json", dataset)):
            content = text.encode("utf-8", "surrogatepass")
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


@given(st.one_of(CLIENTS, NEARLY), DATASETS)
def test_any_servegen_client(trace, dataset):
    """Windows and histograms of every kind."""
    read(packed(trace, dataset))


FINE = packed("0,1,2,Gamma,0.5,1\n", '{"0": {"input_tokens": "{5: 1.0}", "output_tokens": "{6: 1.0}"}}')


@given(st.integers(0, len(FINE) - 1), st.integers(0, 255))
def test_a_servegen_archive_with_one_wrong_byte(place, byte):
    """One byte of a tar may be anything; what is then read is still a sound trace."""
    read(FINE[:place] + bytes([byte]) + FINE[place + 1 :])


@given(st.integers(1, len(FINE) - 1))
def test_a_servegen_archive_cut_short(length):
    """A tar without its end is refused, unless all that is missing is padding behind its end."""
    found = read(FINE[:length])
    assert found is None or not FINE[length - 1024 :].strip(b"\0")


def test_the_sound_ones_are_read():
    """The properties above are not empty: the files that they are made from are traces."""
    assert len(read(SMALL).arrival_seconds) == 50
    assert read(FINE) is not None
    assert math.isclose(read(json.dumps({"timestamp": 5, "input_length": 1, "output_length": 2})).arrival_seconds[0], 0)
    assert re.fullmatch(r"[\w,]+", CANONICAL)
