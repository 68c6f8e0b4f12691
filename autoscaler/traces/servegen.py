"""ServeGen's clients: a tar of `chunk-N-trace.csv` and `chunk-N-dataset.json`, a model of traffic and not requests.

A client's trace has no header: window start in seconds, requests per second, CV of the gaps, family of the gaps (Gamma,
Weibull, or nothing in an idle window), its shape and its scale. Shape and scale do not reproduce the rate: gaps are
drawn with the shape and stretched, so that the window holds as many requests as its rate says. The dataset has for
each span of hours, named by its first second, histograms of prompt and output tokens, as a Python literal in JSON.
alibaba/ServeGen, Apache-2.0; Xiang et al., 2025.
"""

from __future__ import annotations

import csv
import io
import re
import tarfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.documents.scenario import GapFamily
from autoscaler.errors import TraceError
from autoscaler.traces.gaps import Windows, spread, whole_counts
from autoscaler.traces.histograms import Span, read_spans
from autoscaler.traces.recorded import Asked, within
from autoscaler.traces.servegen_rates import window_widths
from autoscaler.traces.table import not_negative, shown
from autoscaler.traces.text import decode
from autoscaler.traces.trace import Floats, Integers, Longs, Trace
from autoscaler.traces.transform import check_count, mix, relength

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMBER = re.compile(r"(?:.*/)?(chunk-[0-9]+)-(trace\.csv|dataset\.json)")
_COLUMNS = ("window start", "rate", "CV", "family", "shape", "scale")
_FAMILIES = {"": GapFamily.POISSON, "Gamma": GapFamily.GAMMA, "Weibull": GapFamily.WEIBULL}
_END = bytes(1024)
"""Two blocks of zeros end a tar; without them it has been cut short."""
_TAR_MAGIC = slice(257, 262)
_SHAPES = (1e-3, 1e3)


class Client(NamedTuple):
    """One client."""

    windows: Windows
    """Its counts are not whole and not used: `expected` stands for them."""
    expected: Floats
    families: tuple[GapFamily, ...]
    spans: tuple[Span, ...]

    def requests(self, name: str, asked: Asked, stream: np.random.Generator) -> Trace:
        """Return the client's own requests."""
        streams = stream.spawn(3)
        chosen = within(self.windows.starts, self.windows.widths, asked.window_seconds)
        counts = whole_counts(self.expected[chosen] * asked.rate_scale, streams[0])
        windows = self.windows.part(chosen)._replace(counts=counts)
        families = np.array([list(GapFamily).index(family) for family in self.families[chosen]], np.int64)
        parts: list[Floats] = []
        for place, family in enumerate(GapFamily):
            own = families == place
            if counts[own].any():
                parts += spread(windows.part(own), family, streams[1])
        arrivals = np.sort(np.concatenate(parts)) if parts else np.empty(0)
        return Trace(name, arrivals, *self._lengths(arrivals, streams[2]))

    def _lengths(self, arrivals: Floats, stream: np.random.Generator) -> tuple[Integers, Integers]:
        prompts, outputs = np.empty(len(arrivals), np.int32), np.empty(len(arrivals), np.int32)
        begins = [span.begin_seconds for span in self.spans]
        owners = np.maximum(np.searchsorted(begins, arrivals, "right") - 1, 0)
        for place, span in enumerate(self.spans):
            own = np.flatnonzero(owners == place)
            prompts[own] = span.prompt.draw(len(own), stream)
            outputs[own] = span.output.draw(len(own), stream)
        return prompts, outputs


class Clients(NamedTuple):
    """All clients of a file."""

    name: str
    clients: tuple[Client, ...]

    def requests(self, asked: Asked, stream: np.random.Generator) -> Trace:
        """Return the requests of all clients, each drawn from a stream of its own."""
        check_count(self.name, sum(self._expected(client, asked) for client in self.clients))
        streams = stream.spawn(len(self.clients) + 1)
        parts = [client.requests(self.name, asked, own) for client, own in zip(self.clients, streams, strict=False)]
        trace = mix(parts, None, stream)
        return trace if asked.lengths is None else relength(trace, asked.lengths, streams[-1])

    @property
    def end_seconds(self) -> float:
        """The end of the last window."""
        return max(client.windows.end_seconds for client in self.clients)

    @staticmethod
    def _expected(client: Client, asked: Asked) -> float:
        chosen = within(client.windows.starts, client.windows.widths, asked.window_seconds)
        return float(client.expected[chosen].sum()) * asked.rate_scale


def recognises(data: bytes) -> bool:
    """Return whether unpacked content is a tar."""
    return data[_TAR_MAGIC] == b"ustar"


def parse(path: object, data: bytes) -> Clients:
    """Return the clients of a tar.

    Raises:
        TraceError: naming member, line, column and value; or the tar is damaged or holds no clients.
    """
    members = _members(path, data)
    names = sorted({chunk for chunk, _ in members}, key=lambda chunk: int(chunk.removeprefix("chunk-")))
    if not names:
        raise TraceError(f"{path}: must hold ServeGen's clients, chunk-N-trace.csv and chunk-N-dataset.json")
    return Clients(str(path), tuple(_client(path, name, members) for name in names))


def _members(path: object, data: bytes) -> Mapping[tuple[str, str], bytes]:
    if len(data) % 512 or not data.endswith(_END):
        raise TraceError(f"{path}: is a tar that is damaged or cut short: it has no end")
    members = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                found = _MEMBER.fullmatch(member.name)
                file = archive.extractfile(member) if found and member.isreg() else None
                if found and file is not None:
                    members[found[1], found[2]] = file.read()
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise TraceError(f"{path}: is a tar that is damaged or cut short: {error}") from error
    return members


def _client(path: object, name: str, members: Mapping[tuple[str, str], bytes]) -> Client:
    for kind in ("trace.csv", "dataset.json"):
        if (name, kind) not in members:
            raise TraceError(f"{path}: must hold {name}-{kind} too, for {name} is there")
    trace_path, dataset_path = f"{path}: {name}-trace.csv", f"{path}: {name}-dataset.json"
    windows, expected, families = _windows(trace_path, decode(trace_path, members[name, "trace.csv"]))
    spans = read_spans(dataset_path, decode(dataset_path, members[name, "dataset.json"]))
    if not spans and expected.any():
        raise TraceError(f"{dataset_path}: must hold lengths: its client sends requests")
    return Client(windows, expected, families, spans)


def _windows(path: str, text: str) -> tuple[Windows, Floats, tuple[GapFamily, ...]]:
    starts, rates, shapes, families, lines = [], [], [], [], []
    reader = csv.reader(io.StringIO(text))
    try:
        for row in reader:
            if row:
                start, rate, family, shape = _window(f"{path}: line {reader.line_num}", row)
                lines.append(reader.line_num)
                starts.append(start)
                rates.append(rate)
                families.append(family)
                shapes.append(shape)
    except csv.Error as error:
        raise TraceError(f"{path}: line {reader.line_num}: {error}") from error
    begins = np.array(starts)
    widths = window_widths(begins, lambda row: f"{path}: line {lines[row]}, column {_COLUMNS[0]}")
    none: Longs = np.zeros(len(begins), np.int64)
    return Windows(begins, widths, none, np.array(shapes)), np.array(rates) * widths, tuple(families)


def _window(where: str, row: list[str]) -> tuple[float, float, GapFamily, float]:
    if len(row) != len(_COLUMNS):
        raise TraceError(f"{where}: must have {len(_COLUMNS)} columns (found {len(row)})")
    numbers = {}
    for name, value in zip(_COLUMNS, row, strict=True):
        if name == "family":
            continue
        try:
            numbers[name] = not_negative(value)
        except ValueError:
            raise TraceError(
                f"{where}, column {name}: must be a finite number, 0 or more (found {shown(value)})"
            ) from None
    name = row[3].strip()
    if name not in _FAMILIES:
        allowed = "Gamma, Weibull, or nothing in a window without requests"
        raise TraceError(f"{where}, column family: must be {allowed} (found {shown(name)})")
    if not name and numbers["rate"]:
        raise TraceError(f"{where}, column family: must be Gamma or Weibull where the rate is {numbers['rate']:g}")
    if name and not _SHAPES[0] <= numbers["shape"] <= _SHAPES[1]:
        raise TraceError(
            f"{where}, column shape: must be from {_SHAPES[0]:g} to {_SHAPES[1]:g} (found {shown(row[4])})"
        )
    return numbers["window start"], numbers["rate"], _FAMILIES[name], numbers["shape"] if name else 1.0
