"""Which series the documents need, and which of them a Prometheus has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.exporters import DCGM
from autoscaler.signals.preset import Kind, Preset, Series
from autoscaler.signals.presets import resolve
from autoscaler.sources.credentials import Credentials
from autoscaler.sources.prometheus import PrometheusSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.settings import Prometheus

_PREFIX = re.compile(r"^[a-z]+[:_]")
_WORDS_OF_PROMQL = re.compile(
    r'"[^"]*"|\'[^\']*\'|`[^`]*`|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)'
)
_METRIC_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "group_left", "group_right", "inf", "nan", "atan2"})

_OWN = "own query of "


class Need(NamedTuple):
    """One series that some target needs, by the names it may have."""

    place: str
    """The preset, or the target whose own query it is in."""
    signals: tuple[str, ...]
    names: tuple[str, ...]
    """The newest first."""
    absent_when_idle: bool = False
    own: bool = False
    """It stands in a document's own query."""


def report(targets: Sequence[CompiledTarget], settings: Prometheus) -> Iterator[str]:
    """Yield a line for each series: the name that exists, or what is missing and which name may be meant.

    Raises:
        SourceError: Prometheus does not answer.
        UsageError: its address or the credentials cannot be right.
    """
    needs = needed(targets)
    source = PrometheusSource(
        settings.url,
        credentials=Credentials(settings.token_file, settings.username_file, settings.password_file),
        ca_file=settings.ca_file,
    )
    try:
        asked = {name for need in needs for name in need.names}
        wanted = asked | {variant for name in asked for variant in variants(name)}
        found = source.existing(wanted, settings.query_deadline_seconds) if wanted else frozenset()
    finally:
        source.close()
    yield f"Prometheus at {settings.url}:"
    for need in needs:
        yield f"  {say(need, found)}"


def needed(targets: Iterable[CompiledTarget]) -> tuple[Need, ...]:
    """Return what the targets need, each series once: of the presets, and of the documents' own queries."""
    users: dict[tuple[str, tuple[str, ...], bool], dict[str, None]] = {}
    for target in targets:
        for request in target.requests:
            own = target.overrides.get(request.key) or target.overrides.get(request.name)
            if own is not None:
                for name in metric_names(own.query):
                    users.setdefault((f"{_OWN}{target.key}", (name,), False), {})[request.name] = None
            elif (resolved := resolve(target.backend, request.name)) is not None:
                for term in resolved.formula.read:
                    key = _key(resolved.preset, resolved.preset.series[term.series])
                    users.setdefault(key, {})[request.name] = None
    return tuple(
        Need(place, tuple(signals), names, idle, place.startswith(_OWN))
        for (place, names, idle), signals in users.items()
    )


def _key(preset: Preset, series: Series) -> tuple[str, tuple[str, ...], bool]:
    suffix = "_bucket" if series.kind is Kind.HISTOGRAM else ""
    return preset.name, tuple(f"{metric.name}{suffix}" for metric in series.metrics), series.absent_when_idle


def metric_names(query: str) -> tuple[str, ...]:
    """Return the metric names in a PromQL query, as far as they can be told without parsing it."""
    bare = _WORDS_OF_PROMQL.sub(" ", query)
    words = (word for word in _METRIC_NAME.findall(bare) if word.lower() not in _KEYWORDS)
    return tuple(dict.fromkeys(words))


def variants(name: str) -> tuple[str, ...]:
    """Return names under which the same series is often found: another prefix, `_` for `:`, a suffix more or less."""
    bare = _PREFIX.sub("", name)
    swapped = name.replace(":", "_", 1) if ":" in name else name.replace("_", ":", 1)
    spellings = [swapped, bare, f"ray_{name.replace(':', '_')}", f"{name}_total", name.removesuffix("_total")]
    return tuple(word for word in dict.fromkeys(spellings) if word and word != name)


def say(need: Need, found: Collection[str]) -> str:
    """Return the line of one series."""
    purpose = f"({', '.join(need.signals)}, {need.place})"
    present = [name for name in need.names if name in found]
    if present:
        older = f", an older name of {need.names[0]}" if present[0] != need.names[0] else ""
        return f"found    {present[0]}{older} {purpose}"
    near = [word for name in need.names for word in variants(name) if word in found]
    hint = f"; did you mean {near[0]}?" if near else ""
    if near and not need.own:
        hint += " Then give it in `spec.signals`"
    if need.absent_when_idle or need.place == DCGM.name:
        hint = hint or "; it may be absent while nothing is served"
    return f"missing  {' or '.join(need.names)} {purpose}{hint}"
