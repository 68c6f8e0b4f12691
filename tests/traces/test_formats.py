"""Each format of a trace file: what is read of it, and what is said about one that is wrong."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile

import numpy as np
import pytest

from autoscaler.errors import TraceError
from autoscaler.traces import load
from autoscaler.traces.load import load_trace
from autoscaler.traces.prefixes import PrefixCache
from autoscaler.traces.recorded import Asked
from autoscaler.traces.table import read_table, tokens

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
BURST = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
COUNTS = "period,count\n"
RATES = "model,window_start_s,rps,active_clients,rate_weighted_cv\n"


def stream(seed=1):
    """Return seeded draws."""
    return np.random.Generator(np.random.PCG64(seed))


def lines(*rows):
    """Return objects as lines of JSON."""
    return "\n".join(json.dumps(row) for row in rows)


def mooncake(timestamp=0, prompt=1000, output=10, **more):
    """Return one request of Mooncake's."""
    return {"timestamp": timestamp, "input_length": prompt, "output_length": output} | more


def tar(**members):
    """Return a tar; a member's name has `_` for `-`, and ends in `_csv` or `_json`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in members.items():
            stem, suffix = name.replace("_", "-").rsplit("-", 1)
            info = tarfile.TarInfo(f"model/{stem}.{suffix}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


DATASET = json.dumps({
    "0": {"input_tokens": "{10: 0.5, 20: 0.5}", "output_tokens": "{7: 1.0}", "reason_ratio": "{}"},
    "21600": {"input_tokens": "{}", "output_tokens": "{}"},
    "43200": {"input_tokens": "{100: 1.0}", "output_tokens": "{3: 1.0}"},
})  # fmt: skip
CLIENT = "0,0.5,3.0,Gamma,0.1111,9\n600,0,0,,0,0\n1200,1,1.5,Weibull,0.68,2\n"


# --- Azure 2024


def test_azure_stamps_of_2024_have_a_zone_and_sometimes_no_fraction(write):
    """`+00:00` with six digits of a second or none stands beside stamps without a zone."""
    rows = (
        "2024-05-10 00:00:00.009930+00:00,1,2\n2024-05-10 00:00:01+00:00,3,4\n"
        "2024-05-10T00:00:02Z,5,6\n2024-05-10 00:00:03.5,7,8\n"
    )
    trace = load_trace(write(AZURE + rows))
    assert trace.arrival_seconds.tolist() == pytest.approx([0, 0.99007, 1.99007, 3.49007], abs=1e-9)
    assert trace.prompt_tokens.tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize(
    "stamp",
    [
        "now",
        "NaT",
        "2024",
        "2024-05-10",
        "2024-02-30 00:00:00",
        "2023-02-29 00:00:00",
        "2024-05-10 24:00:00",
        "2024-05-10 00:60:00",
        "2024-05-10 00:00:60",
        "2024-05-10 00:00:00.",
        "2024-05-10 00:00:00.1234567890",
        "2024-05-10 00:00:00+02:00",
        "2024-05-10 00:00:00+00:00x",
        "2024-05-10 00:00:00Z+00:00",
        "2024-05-10 00:00:00.12a",
        "0001-05-10 00:00:00",
        "2024-05-10 00:00:00" + " " * 30 + "x",
        "\uff12024-05-10 00:00:00",
    ],
)
def test_what_is_no_moment_is_refused(write, stamp):
    """Words and dates that numpy would take, days that do not exist and other zones are no moments here."""
    rows = f"2024-05-10 00:00:00,1,2\n{stamp},1,2\n"
    with pytest.raises(TraceError, match="line 3, column TIMESTAMP: must be a moment such as"):
        load_trace(write(AZURE + rows))


def test_leap_days_exist(write):
    """The 29th of February of 2024 is one day before the 1st of March."""
    trace = load_trace(write(AZURE + "2024-02-29 12:00:00,1,2\n2024-03-01 12:00:00,1,2\n"))
    assert trace.duration_seconds == 86400


# --- BurstGPT


def test_burstgpt_failures_are_left_out(write):
    """A request without response tokens has failed: it is counted in a note, and time starts with the first row."""
    rows = "5,ChatGPT,472,18,490,Conversation log\n6,GPT-4,30,0,30,API log\n45,ChatGPT,1087,230,1317,Conversation log\n"
    trace = load_trace(write(BURST + rows))
    assert trace.arrival_seconds.tolist() == [0, 40]
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([472, 1087], [18, 230])
    assert trace.notes == ("1 failed requests (no response tokens) are left out",)
    assert trace.grid_seconds == 1


def test_burstgpt_with_fractions_stands_on_no_grid(write):
    """Only whole seconds are slots of a second."""
    assert load_trace(write(BURST + "5,m,1,2,3,a\n6.5,m,1,2,3,a\n")).grid_seconds == 0


# --- JSON lines


def test_mooncake_counts_in_milliseconds(write):
    """Requests are sorted with a note; without block hashes a trace is read just the same."""
    trace = load_trace(write(lines(mooncake(1500, 20, 2), mooncake(500, 10, 1, hash_ids=[1])) + "\n\n"))
    assert trace.arrival_seconds.tolist() == [0, 1]
    assert trace.prompt_tokens.tolist() == [10, 20]
    assert trace.notes == ("rows were out of order and have been sorted",)


def test_bailian_counts_in_seconds(write):
    """A chat_id tells Bailian's lines from Mooncake's."""
    first = {"chat_id": 1, "parent_chat_id": -1, "timestamp": 61.114, "type": "text", "turn": 1}
    rows = lines(mooncake(prompt=521, **first), mooncake(**first | {"chat_id": 2, "timestamp": 62.614}))
    assert load_trace(write(rows)).arrival_seconds.tolist() == pytest.approx([0, 1.5])


def test_stamps_on_a_grid_are_seen(write):
    """Ten slots or more on multiples of 3 s, or a few milliseconds beside, are a grid; one stamp elsewhere is none."""
    on = [mooncake(3000 * slot + slot % 3) for slot in range(12)]
    assert load_trace(write(lines(*on))).grid_seconds == 3
    assert load_trace(write(lines(*on, mooncake(40_000)))).grid_seconds == 0
    assert load_trace(write(lines(*on[:5]))).grid_seconds == 0


def hits(requests, cache, block_tokens=512, fields=None):
    """Return the prefix hits of requests, each prompt tokens and block hashes."""
    rows = [mooncake(1000 * at, prompt, **(fields or {}), hash_ids=ids) for at, (prompt, ids) in enumerate(requests)]
    return load.parse("t", lines(*rows).encode(), cache).prefix_tokens.tolist()


def test_hits_are_the_known_blocks_from_the_beginning_on():
    """A block counts only if all before it are known; the last token of a prompt is always computed."""
    requests = [(1536, [1, 2, 3]), (1536, [1, 2, 9]), (1536, [8, 2, 3]), (1536, [1, 2, 3]), (700, [1, 2])]
    assert hits(requests, PrefixCache()) == [0, 1024, 0, 1535, 699]


def test_a_small_cache_forgets_what_was_used_least_recently():
    """With room for three blocks, the prefix outlives the blocks behind it."""
    requests = [(1024, [1, 2]), (1024, [1, 3]), (512, [4]), (1024, [1, 2]), (1024, [1, 3])]
    assert hits(requests, PrefixCache()) == [0, 512, 0, 1023, 1023]
    assert hits(requests, PrefixCache(3 * 512)) == [0, 512, 0, 512, 512]
    full = [(1536, [1, 2, 3]), (512, [4]), (1536, [1, 2, 3])]
    assert hits(full, PrefixCache(3 * 512)) == [0, 0, 1024]


def test_a_large_enough_cache_is_an_unlimited_one():
    """The two models agree where nothing is forgotten."""
    draws = stream()
    requests = [(2048, draws.integers(0, 30, 4).tolist()) for _ in range(300)]
    assert hits(requests, PrefixCache()) == hits(requests, PrefixCache(10**6))
    assert sum(hits(requests, PrefixCache(5 * 512))) < sum(hits(requests, PrefixCache()))


def test_bailian_blocks_have_16_tokens():
    """The same hashes cover 32 tokens there, and 1024 with Mooncake."""
    requests = [(2000, [1, 2]), (2000, [1, 2])]
    assert hits(requests, PrefixCache()) == [0, 1024]
    assert hits(requests, PrefixCache(), fields={"chat_id": 1}) == [0, 32]


def test_a_cache_for_a_trace_without_hashes_is_refused():
    """Hits cannot be computed from nothing, and no hits would be a silent wrong."""
    with pytest.raises(TraceError, match="line 1: must have the key hash_ids"):
        load.parse("t", lines(mooncake()).encode(), PrefixCache())
    with pytest.raises(TraceError, match="with block hashes"):
        load.parse("t", (AZURE + "2024-05-10 00:00:00,1,2").encode(), PrefixCache())


# --- Recorded rates


def test_counts_are_kept_exactly_and_spread_inside_their_minute(write):
    """Each minute has as many requests as were counted, at moments that are spread over all of it."""
    trace = load_trace(write(COUNTS + "1998-04-30 21:30:00,200\n1998-04-30 21:31:00,0\n1998-04-30 21:32:00,3000\n"))
    assert np.histogram(trace.arrival_seconds, [0, 60, 120, 180])[0].tolist() == [200, 0, 3000]
    inside = (trace.arrival_seconds[200:] - 120) / 60
    assert inside.mean() == pytest.approx(0.5, abs=0.02)
    assert inside.var() == pytest.approx(1 / 12, rel=0.05)
    assert (np.diff(trace.arrival_seconds) >= 0).all()
    assert "lognormal lengths" in trace.notes[-1]


def test_missing_minutes_are_filled_and_not_zero(write):
    """Two minutes that are missing between 100 and 400 become 200 and 300, and a note says so."""
    trace = load_trace(write(COUNTS + "1998-04-30 21:29:00,100\n1998-04-30 21:30:00,100\n1998-04-30 21:33:00,400\n"))
    assert np.histogram(trace.arrival_seconds, np.arange(0, 301, 60))[0].tolist() == [100, 100, 200, 300, 400]
    assert trace.notes[0] == "2 steps of 60 s are missing and are filled from their neighbours"


def test_counts_scale_without_being_thinned():
    """A rate scale of a third keeps the sum to one request, whatever the counts of each minute."""
    rows = "".join(f"1998-04-30 21:{minute:02}:00,5\n" for minute in range(60))
    third = load.parse("t", (COUNTS + rows).encode()).requests(Asked(rate_scale=1 / 3), stream())
    assert len(third.arrival_seconds) == pytest.approx(100, abs=1)
    assert third.duration_seconds > 3400


def test_only_the_window_is_made():
    """Requests of other windows are not even drawn: a huge trace can be cut."""
    rows = "".join(f"1998-04-30 21:{minute:02}:00,100000000\n" for minute in range(60))
    rates = load.parse("t", (COUNTS + rows.replace("21:30:00,100000000", "21:30:00,50")).encode())
    trace = rates.requests(Asked(window_seconds=(1800.0, 1860.0)), stream())
    assert len(trace.arrival_seconds) == 50
    with pytest.raises(TraceError, match=r"at most 200000000 requests \(found about 5.9e\+09\): choose a shorter"):
        rates.requests(Asked(), stream())


def test_window_rates_are_played_by_their_clients(write):
    """Each window has its requests; gaps of one client are as bursty as said, and of many together less."""

    def counts(clients):
        rows = "".join(f"m,{600 * window},20,{clients},5\n" for window in range(20))
        trace = load_trace(write(RATES + rows))
        assert len(trace.arrival_seconds) == 240_000
        return np.histogram(trace.arrival_seconds, np.arange(0, 12_000, 5.0))[0]

    alone, together = counts(1), counts(50)
    assert alone.mean() == pytest.approx(100, rel=0.01)
    assert alone.var() / alone.mean() > together.var() / together.mean() > 4
    # no clump comes at the beginning of every window
    assert together[:: 600 // 5].mean() == pytest.approx(100, rel=0.2)


def test_servegen_clients_become_requests(write):
    """A window holds as many requests as its rate says, idle ones none; lengths are those of their span of hours."""
    later = "0,0,0,,0,0\n43200,2,1,Gamma,1,1\n43800,0,0,,0,0\n"
    packed = tar(
        chunk_0_trace_csv=CLIENT, chunk_0_dataset_json=DATASET, chunk_10_trace_csv=later, chunk_10_dataset_json=DATASET
    )
    trace = load_trace(write(packed, "clients.tar"))
    counts = np.histogram(trace.arrival_seconds, [0, 600, 1200, 1800, 43200, 43800, 90000])[0]
    assert counts.tolist() == pytest.approx([300, 0, 600, 0, 1200, 0], abs=1)
    early = trace.arrival_seconds < 43200
    assert set(trace.prompt_tokens[early].tolist()) == {10, 20}
    assert trace.prompt_tokens[early].mean() == pytest.approx(15, abs=1)
    assert set(trace.output_tokens[early].tolist()) == {7}
    assert set(trace.prompt_tokens[~early].tolist()) == {100}


def test_servegen_rates_scale_with_their_cv_kept(write):
    """A tenth of the rate has a tenth of the requests, and gaps as bursty as before."""
    rows = "".join(f"{600 * window},5,3,Gamma,0.1111,1\n" for window in range(40))
    clients = load.parse("t", tar(chunk_0_trace_csv=rows, chunk_0_dataset_json=DATASET))
    for scale in (1.0, 0.1):
        trace = clients.requests(Asked(rate_scale=scale), stream())
        gaps = np.diff(trace.arrival_seconds)
        assert len(trace.arrival_seconds) == pytest.approx(120_000 * scale, rel=0.01)
        assert gaps.std() / gaps.mean() == pytest.approx(3, rel=0.1)


# --- Parquet and Zstandard


def test_parquet_without_pyarrow_says_what_to_install(write, monkeypatch):
    """The message names the extra."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TraceError, match=re.escape("needs the package pyarrow (pip install 'inference-autoscaler[p")):
        load_trace(write(b"PAR1....", "trace.parquet"))


def test_zstandard_without_a_package_says_what_to_install(write, monkeypatch):
    """The message names the package, and a way without it."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(
        TraceError, match=re.escape("needs the package zstandard (pip install 'inference-autoscaler[zstd]')")
    ):
        load_trace(write(b"\x28\xb5\x2f\xfd....", "trace.csv.zst"))


def test_zstandard_is_unpacked_and_its_damage_seen(write):
    """All frames are read, and one that is cut short is an error."""
    zstandard = pytest.importorskip("zstandard")
    text = b"arrival_seconds,prompt_tokens,output_tokens\n" + b"1,2,3\n" * 100
    pack = zstandard.ZstdCompressor().compress
    assert len(load_trace(write(pack(text) + pack(b"2,3,4\n"))).arrival_seconds) == 101
    for damaged in (pack(text)[:-5], pack(text) + b"junk", pack(text)[:9] + b"\xff" * 9 + pack(text)[18:]):
        with pytest.raises(TraceError, match="damaged or cut short"):
            load_trace(write(damaged))


def test_parquet_is_the_canonical_trace(write):
    """The same columns are read, integers for arrivals too, and each fault names row, column and value."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def pack(arrivals, prompts=(1, 2), **more):
        columns = {"arrival_seconds": arrivals, "prompt_tokens": list(prompts), "output_tokens": [3, 4]}
        packed = io.BytesIO()
        parquet.write_table(
            arrow.table({name: arrow.array(values) for name, values in (columns | more).items()}), packed
        )
        return packed.getvalue()

    trace = load_trace(write(pack([0, 5], mood=["a", "b"])))
    assert tuple(column.tolist() for column in trace[1:4]) == ([0, 5], [1, 2], [3, 4])
    assert trace.notes == ("column mood is not used",)
    for data, message in (
        (pack([5.0, 1.0]), "row 2, column arrival_seconds: must be not before the row above (found 1.0)"),
        (pack([0.0, float("nan")]), "row 2, column arrival_seconds: must be a finite number"),
        (pack([0.0, 1.0], (1, -2)), "row 2, column prompt_tokens: must be a whole number"),
        (pack([0.0, None]), "column arrival_seconds: must have a value in every row"),
        (pack([0.0, 1.0], (1.5, 2.0)), "column prompt_tokens: must hold whole numbers (found double)"),
        (pack(["a", "b"]), "column arrival_seconds: must hold numbers (found string)"),
        (pack([0.0, 1.0])[:-20], "cannot be read as Parquet"),
        (b"PAR1" + b"\xff" * 100, "cannot be read as Parquet"),
    ):
        with pytest.raises(TraceError, match=re.escape(message)):
            load_trace(write(data))


# --- What is wrong with each

BAD = {
    BURST + "5,m,1,2,3,a\nx,m,1,2,3,a\n": "line 3, column Timestamp: must be a finite number of seconds, 0 or more",
    BURST + "5,m,1,0,3,a\n": "no request was answered",
    "Timestamp,Request tokens\n1,2\n": "line 1: must have the column Response tokens",
    BURST + "5,m,-1,2,3,a\n": "line 2, column Request tokens: must be a whole number",
    lines(mooncake()) + "\n{": "line 2: must be one JSON object: Expecting property name",
    lines(mooncake()) + "\n[1]": "line 2: must be one JSON object (found '[1]')",
    lines(mooncake()) + '\n{"timestamp": NaN}': "line 2: must be one JSON object: NaN is no JSON",
    lines({"a": 1}): "line 1: must have Mooncake's keys",
    lines(mooncake(), {"timestamp": 1}): "line 2: must have the key input_length (found 'timestamp')",
    lines(mooncake(-1)): "line 1, key timestamp: must be a finite number of milliseconds, 0 or more (found '-1')",
    lines(mooncake(True)): "line 1, key timestamp: must be a finite number",
    lines(mooncake("1")): "line 1, key timestamp: must be a finite number",
    lines(mooncake(prompt=True)): "line 1, key input_length: must be a whole number from 0",
    lines(mooncake(prompt=1.5)): "line 1, key input_length: must be a whole number from 0",
    lines(mooncake(output=2**31)): "line 1, key output_length: must be a whole number from 0",
    lines(mooncake(hash_ids=[1, "a"])): "line 1, key hash_ids: must be a list of whole numbers",
    lines(mooncake(), mooncake(10**13)): "are its stamps in another unit",
    '{"timestamp":' + "[" * 100_000: "line 1: must be one JSON object",
    COUNTS + "1998-04-30 21:30:00,1\n1998-04-30 21:30:00,1\n": "line 3, column period: must be after the row above",
    COUNTS + "1998-04-30 21:31:00,1\n1998-04-30 21:30:00,1\n": "line 3, column period: must be after the row above",
    COUNTS + "1998-04-30 21:30:00,1\n1998-04-30 21:31:00,1\n1998-04-30 21:32:30,1\n": (
        "line 4, column period: must be a whole number of steps of 60 s"
    ),
    COUNTS + "1998-04-30 21:30:00,1\n1998-04-30 21:31:00,1\n1998-04-30 23:31:00,1\n": (
        "line 4, column period: must be at most 60 missing steps after the row above"
    ),
    COUNTS + "1998-04-30 21:30:00,-1\n": "line 2, column count: must be a whole number",
    RATES + "m,0,1,1,1\nm,600,nan,1,1\n": "line 3, column rps: must be a finite number of requests per second",
    RATES + "m,600,1,1,1\nm,0,1,1,1\n": "line 3, column window_start_s: must be after the row above, 600 (found 0)",
    RATES + "m,0,1,1,1\nn,600,1,1,1\n": "line 3, column model: must be the same in all rows, 'm' (found 'n')",
    "arrival_seconds,prompt_tokens,prompt_tokens,output_tokens\n1,2,3,4\n": "must have the column prompt_tokens once",
    "arrival_seconds,prompt_tokens,output_tokens\n1,2,3\n1e200,2,3\n": "must end at most 1e+09 seconds after its start",
    "arrival_seconds,prompt_tokens,output_tokens\n1,2,3\n1,2,3\0\n": "line 3: must be text (found a zero byte)",
    bytes(range(1, 256)): "must be UTF-8 text",
    b"\x1f\x8b\x08garbage": "damaged or cut short",
    bytes(10_240): "line 1: must be text (found a zero byte)",
    tar(notes_txt="hello"): "must hold ServeGen's clients",
    tar(chunk_0_trace_csv=CLIENT): "must hold chunk-0-dataset.json too",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json=DATASET)[:1024]: "cut short: it has no end",
    tar(chunk_0_trace_csv="0,1\n", chunk_0_dataset_json=DATASET): "chunk-0-trace.csv: line 1: must have 6 columns",
    tar(chunk_0_trace_csv="0,-1,1,Gamma,1,1\n", chunk_0_dataset_json=DATASET): "line 1, column rate: must be a finite",
    tar(chunk_0_trace_csv="0,1,1,Beta,1,1\n", chunk_0_dataset_json=DATASET): "line 1, column family: must be Gamma",
    tar(chunk_0_trace_csv="0,1,1,,1,1\n", chunk_0_dataset_json=DATASET): "must be Gamma or Weibull where the rate is 1",
    tar(
        chunk_0_trace_csv="0,1,1,Gamma,0,1\n", chunk_0_dataset_json=DATASET
    ): "line 1, column shape: must be from 0.001",
    tar(chunk_0_trace_csv="0,1,1,Gamma,1,1\n\n0,1,1,Gamma,1,1\n", chunk_0_dataset_json=DATASET): (
        "line 3, column window start: must be after the row above, 0 (found 0)"
    ),
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json="{}"): "chunk-0-dataset.json: must hold lengths",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json="{"): "chunk-0-dataset.json: line 1: must be JSON",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json="[]"): "must map the first second of each span",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json='{"0": {"input_tokens": "__import__(1)"}}'): (
        "key '0', key input_tokens: must be a Python literal"
    ),
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json='{"0": {"input_tokens": "{-1: 1.0}"}}'): "tokens must be whole",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json='{"0": {"input_tokens": "{1: -1.0}"}}'): "shares must be finite",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json='{"0": {"input_tokens": "{1: 0.0}"}}'): "a share above 0",
    tar(chunk_0_trace_csv=CLIENT, chunk_0_dataset_json='{"x": {}}'): "key 'x': must be a number of seconds",
}


@pytest.mark.parametrize(("content", "message"), BAD.items(), ids=range(len(BAD)))
def test_bad_files_name_their_place(write, content, message):
    """Whatever is wrong is said in one line: the file, where it stands, and what may stand there."""
    path = write(content)
    with pytest.raises(TraceError, match=re.escape(message)) as caught:
        load_trace(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_large_tables_are_read_piece_by_piece(monkeypatch):
    """Pieces end with lines, and give the same as one piece."""
    monkeypatch.setattr("autoscaler.traces.table._PIECE", 50)
    text = "a,b\r\n" + "".join(f"{row},{row % 7}\r\n\r\n" for row in range(500))
    (left, right), _ = read_table("t", text, (tokens("a"), tokens("b")))
    assert left.tolist() == list(range(500))
    assert right.tolist() == [row % 7 for row in range(500)]
