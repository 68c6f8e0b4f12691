"""Which series the documents need, and which of them a Prometheus has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.exporters import DCGM
from autoscaler.signals.gateways import GATEWAYS
from autoscaler.signals.preset import Kind, Preset, Series
from autoscaler.signals.presets import BACKENDS, resolve
from autoscaler.sources.credentials import Credentials
from autoscaler.sources.prometheus import PrometheusSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.settings import Prometheus
    from autoscaler.signals.query import SignalQuery

_PREFIX = re.compile(r"^[a-z]+[:_]")
_WORDS_OF_PROMQL = re.compile(
    r'"[^"]*"|\'[^\']*\'|`[^`]*`|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)'
)
_METRIC_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "group_left", "group_right", "inf", "nan", "atan2"})


class Need(NamedTuple):
    """One series that some target needs, by the names it may have."""

    place: str
    """The preset, or the target whose own query it is in."""
    names: tuple[str, ...]
    """The newest first."""
    absent_when_idle: bool = False
    own: bool = False
    """It stands in a document's own query."""
    needs: str = ""
    """What must be switched on for it."""
    signals: tuple[str, ...] = ()


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
        asked |= {name for preset in BACKENDS.values() for name in preset.probe}
        wanted = asked | {variant for name in asked for variant in variants(name)}
        found = source.existing(wanted, settings.query_deadline_seconds) if wanted else frozenset()
    finally:
        source.close()
    yield f"Prometheus at {settings.url}:"
    for need in needs:
        yield f"  {say(need, found)}"
    for backend in dict.fromkeys(target.backend for target in targets if target.requests):
        if hint := meant(backend, found):
            yield f"  {hint}"


def needed(targets: Iterable[CompiledTarget]) -> tuple[Need, ...]:
    """Return what the targets need, each series once: of the presets, and of the documents' own queries."""
    users: dict[Need, dict[str, None]] = {}
    for target in targets:
        for request in target.requests:
            own = target.overrides.get(request.key) or target.overrides.get(request.name)
            if own is not None:
                found = [_own(own, names, target.key) for names in alternatives(own.query)]
            elif (resolved := resolve(target.backend, request.name)) is not None:
                preset, formula = resolved
                found = [_of_preset(preset, preset.series[term.series]) for term in formula.read]
            else:
                found = []
            for need in found:
                users.setdefault(need, {})[request.name] = None
    return tuple(need._replace(signals=tuple(signals)) for need, signals in users.items())


def _own(own: SignalQuery, names: tuple[str, ...], key: str) -> Need:
    gateway = GATEWAYS.get(own.origin.removeprefix("gateway "))
    place = f"{own.origin or 'own query'} of {key}"
    return Need(place, names, own=True, needs=gateway.needs if gateway else "")


def _of_preset(preset: Preset, series: Series) -> Need:
    suffix = "_bucket" if series.kind is Kind.HISTOGRAM else ""
    names = tuple(f"{metric.name}{suffix}" for metric in series.metrics)
    needs = "; ".join(filter(None, (series.needs, preset.needs)))
    return Need(preset.name, names, series.absent_when_idle or preset is DCGM, needs=needs)


def alternatives(query: str) -> tuple[tuple[str, ...], ...]:
    """Return the series of a query, each by the names it may have: `sum(new) or sum(old)` is one series."""
    parts = [metric_names(part) for part in _split_or(query)]
    if len(parts) > 1 and all(len(names) == 1 for names in parts):
        return (tuple(dict.fromkeys(name for names in parts for name in names)),)
    return tuple((name,) for name in metric_names(query))


def _split_or(query: str) -> list[str]:
    """Return the parts of a query that are joined by `or` outside of all brackets."""
    bare = _WORDS_OF_PROMQL.sub(" ", query)
    depth, parts = 0, [""]
    for word in re.split(r"(\bor\b|[()])", bare):
        depth += (word == "(") - (word == ")")
        if word == "or" and depth == 0:
            parts.append("")
        else:
            parts[-1] += word
    return parts


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
    if need.absent_when_idle:
        hint = hint or "; it may be absent while nothing is served"
    if need.needs and not near:
        hint += f"; it needs {need.needs}"
    return f"missing  {' or '.join(need.names)} {purpose}{hint}"


def meant(backend: str, found: Collection[str]) -> str:
    """Return which backend a document may mean whose own shows nothing; empty if it shows itself, or none does."""
    preset = BACKENDS[backend]
    if any(name in found for name in preset.probe):
        return ""
    others = [name for name, other in BACKENDS.items() if any(probe in found for probe in other.probe)]
    if not others:
        return ""
    return f"nothing of {backend} is there, but of {' and '.join(others)}: is `backend: {others[0]}` meant?"
