"""From the rows of an answer, each a set of labels with a number, to numbers by pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Row(NamedTuple):
    """One series of an instant vector."""

    labels: Mapping[str, str]
    value: float
    at: float
    """When the query was evaluated, in UTC epoch seconds of Prometheus' clock."""


class PodKey(NamedTuple):
    """A pod, wherever it runs."""

    namespace: str
    pod: str


class Seen(NamedTuple):
    """How long ago things were sampled, in seconds: ages, because two clocks differ and their differences do not."""

    pods: Mapping[PodKey, float]
    nodes: Mapping[str, float]
    """Nodes whose GPU exporter was sampled."""


def pod_of(labels: Mapping[str, str]) -> PodKey | None:
    """Return whose row it is: the GPU's user before the exporter's own pod; None if it names none."""
    if pod := labels.get("exported_pod"):
        return PodKey(labels.get("exported_namespace", ""), pod)
    if pod := labels.get("pod"):
        return PodKey(labels.get("namespace", ""), pod)
    return None


def node_of(labels: Mapping[str, str]) -> str:
    """Return the node that a GPU exporter's row is about, under its newer or older label; empty if it names none."""
    return labels.get("hostname") or labels.get("Hostname") or ""


def numbers(rows: Iterable[Row]) -> dict[PodKey, float]:
    """Return one number per pod; of several rows for one pod the first, as with names joined by `or`."""
    result: dict[PodKey, float] = {}
    for row in rows:
        if (key := pod_of(row.labels)) is not None:
            result.setdefault(key, row.value)
    return result


def histograms(rows: Iterable[Row], scale: float = 1.0) -> dict[PodKey, dict[float, float]]:
    """Return one histogram per pod, its bounds multiplied with `scale`; rows without a readable `le` are left out."""
    result: dict[PodKey, dict[float, float]] = {}
    for row in rows:
        key = pod_of(row.labels)
        bound = _bound(row.labels.get("le"))
        if key is not None and bound is not None:
            result.setdefault(key, {}).setdefault(bound * scale, row.value)
    return result


def seen(rows: Iterable[Row]) -> Seen:
    """Return the ages that the answer to an evidence query tells; of several samples the newest counts."""
    pods: dict[PodKey, float] = {}
    nodes: dict[str, float] = {}
    for row in rows:
        age_seconds = max(0.0, row.at - row.value)
        if (key := pod_of(row.labels)) is not None:
            pods[key] = min(age_seconds, pods.get(key, age_seconds))
        if node := node_of(row.labels):
            nodes[node] = min(age_seconds, nodes.get(node, age_seconds))
    return Seen(pods, nodes)


def _bound(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
