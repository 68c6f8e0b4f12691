"""The requests of a scenario's `traffic`: loaded or generated, transformed, mixed, and kept in a cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.documents.scenario import TraceTraffic
from autoscaler.errors import TraceError
from autoscaler.traces import load, transform
from autoscaler.traces.cache import key_of
from autoscaler.traces.lengths import LognormalLengths, SampledLengths
from autoscaler.traces.prefixes import PrefixCache
from autoscaler.traces.recorded import Asked
from autoscaler.traces.synthetic import generate
from autoscaler.traces.text import read_bytes
from autoscaler.traces.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.documents.scenario import GeneratedTraffic, MixedTrace, TraceLengths, Traffic
    from autoscaler.traces.cache import Cache
    from autoscaler.traces.lengths import Lengths

_RECORDED, _MIX = 2, 3
"""Which draws a seed is for; those of the generator come from the seed itself."""


class Surroundings(NamedTuple):
    """What requests depend on besides their document."""

    folder: Path
    """Relative paths are looked for here, then in the working directory."""
    seed: int
    cache: Cache | None = None

    def find(self, path: str) -> Path:
        """Return the file of a path."""
        beside = self.folder / path
        return beside if beside.exists() else Path(path)


def requests(traffic: Traffic, duration_seconds: float | None, around: Surroundings) -> Trace:
    """Return the requests of a document; `duration_seconds` is the generator's where it says none.

    Raises:
        TraceError: a trace cannot be read, or becomes too large.
    """
    if traffic.trace is not None:
        return recorded(traffic.trace, around)
    if traffic.mix is not None:
        return _mixed(traffic.mix, around)
    if traffic.generator is None:
        raise TraceError("traffic: needs one of trace, generator and mix")
    return _generated(traffic.generator, duration_seconds, around)


def recorded(traffic: TraceTraffic, around: Surroundings, place: int = 0) -> Trace:
    """Return the requests of one trace, with all that is asked for done to it; `place` is its place in a mix.

    Raises:
        TraceError: it cannot be read, or becomes too large.
    """
    path = around.find(traffic.path)
    if around.cache is None:
        return _build(traffic, path, around, place)
    others = [] if traffic.lengths is None or traffic.lengths.from_trace is None else [traffic.lengths.from_trace]
    digests = [around.cache.digest(one) for one in (path, *map(around.find, others))]
    asked = traffic.model_dump(mode="json", include=set(TraceTraffic.model_fields) - {"path"})
    key = key_of("recorded", digests, asked, around.seed, place)
    return around.cache.trace(key, lambda: _build(traffic, path, around, place))._replace(name=str(path))


def _generated(traffic: GeneratedTraffic, duration_seconds: float | None, around: Surroundings) -> Trace:
    duration = traffic.duration_seconds or duration_seconds
    if duration is None:
        raise TraceError("traffic: a generator needs durationSeconds, or the scenario horizonSeconds")
    if around.cache is None:
        return generate(traffic, duration, around.seed)
    key = key_of("generated", traffic.model_dump(mode="json"), duration, around.seed)
    return around.cache.trace(key, lambda: generate(traffic, duration, around.seed))


def _mixed(traces: Sequence[MixedTrace], around: Surroundings) -> Trace:
    parts = [recorded(one, around, place) for place, one in enumerate(traces)]
    weights = [one.weight for one in traces if one.weight is not None]
    stream = np.random.Generator(np.random.PCG64([around.seed, _MIX]))
    return transform.mix(parts, weights or None, stream)


def _build(traffic: TraceTraffic, path: Path, around: Surroundings, place: int) -> Trace:
    """Return lengths, jitter, window, thinning, pace and repetition, in this order."""
    cache = None if traffic.prefix_cache is None else PrefixCache(traffic.prefix_cache.capacity_tokens)
    found = load.parse(path, read_bytes(path), cache)
    lengths = None if traffic.lengths is None else _lengths(traffic.lengths, around)
    made, drawn, jittered, thinned = np.random.Generator(np.random.PCG64([around.seed, _RECORDED, place])).spawn(4)
    squeeze = 1.0
    if isinstance(found, Trace):
        trace = found if lengths is None else transform.relength(found, lengths, drawn)
        end, squeeze = transform.own_period(trace), traffic.rate_scale
    else:
        trace, end = found.requests(Asked(traffic.window_seconds, traffic.rate_scale, lengths), made), found.end_seconds
    trace = _jittered(trace, traffic.jitter_seconds, jittered)
    start = 0.0
    if traffic.window_seconds is not None:
        start, end = traffic.window_seconds[0], min(end, traffic.window_seconds[1])
        trace = transform.window(trace, *traffic.window_seconds)
    trace = transform.squeeze(transform.thin(trace, traffic.keep, thinned), squeeze)
    return transform.repeat(trace, traffic.repeat, max(0.0, end - start) / squeeze)


def _jittered(trace: Trace, jitter_seconds: float | None, stream: np.random.Generator) -> Trace:
    if jitter_seconds is None and trace.grid_seconds:
        note = f"stamps stand in slots of {trace.grid_seconds:g} s: arrivals are spread inside theirs"
        return transform.jitter(trace, trace.grid_seconds, stream).noted(note)
    return transform.jitter(trace, jitter_seconds or 0.0, stream)


def _lengths(lengths: TraceLengths, around: Surroundings) -> Lengths:
    if lengths.from_trace is None:
        return LognormalLengths(lengths.prompt_tokens, lengths.output_tokens)
    path = around.find(lengths.from_trace)
    found = load.parse(path, read_bytes(path))
    if not isinstance(found, Trace):
        raise TraceError(f"{path}: must be a trace of requests, so that lengths can be drawn from it")
    return SampledLengths(found)
