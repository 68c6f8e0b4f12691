"""Which of a file's documents are manifests of other autoscalers, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import ValidationError

from autoscaler.documents.manifests.hpa import HpaManifest
from autoscaler.documents.manifests.keda import ScaledObjectManifest
from autoscaler.documents.parse import Origin, Raw
from autoscaler.documents.problems import problems_of
from autoscaler.documents.wording import shown
from autoscaler.errors import DocumentError, Problem
from autoscaler.rules.registry import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Manifest = HpaManifest | ScaledObjectManifest
KINDS: Mapping[str, tuple[str, type[Manifest]]] = {
    "HorizontalPodAutoscaler": ("autoscaling/v2", HpaManifest),
    "ScaledObject": ("keda.sh/v1alpha1", ScaledObjectManifest),
}
"""Each kind's version, and its model."""
_HOW = {"HorizontalPodAutoscaler": "; `kubectl get hpa.v2.autoscaling NAME -o yaml` prints it so"}


class Read(NamedTuple):
    """One manifest, and where it stands."""

    manifest: Manifest
    raw: dict[str, Any]
    origin: Origin

    @property
    def title(self) -> str:
        """`Kind namespace/name`."""
        metadata = self.manifest.metadata
        return f"{self.manifest.kind} {metadata.namespace}/{metadata.name}"


class Found(NamedTuple):
    """What a file holds."""

    manifests: tuple[Read, ...]
    skipped: tuple[str, ...]
    """Documents that are no autoscaler's, for a person."""


def is_manifest(raws: Iterable[Raw]) -> bool:
    """Return whether any of a file's documents is a manifest of another autoscaler."""
    return any(_kind(raw) in KINDS for raw in _unpacked(raws))


def read_manifests(raws: Iterable[Raw]) -> Found:
    """Return the manifests among a file's documents, those inside a List too.

    Raises:
        DocumentError: with everything that is wrong in any of them.
    """
    problems: list[Problem] = []
    manifests: list[Read] = []
    skipped: list[str] = []
    for raw in _unpacked(raws):
        if _kind(raw) not in KINDS:
            skipped.append(f"{raw.origin.at()}: skipped: {_described(raw.value)} is no autoscaler's manifest")
            continue
        try:
            manifests.append(_validated(raw))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(*problems)
    return Found(tuple(manifests), tuple(skipped))


def _unpacked(raws: Iterable[Raw]) -> Iterator[Raw]:
    """Yield each document, and instead of a List, as `kubectl get -o yaml` prints it, its items."""
    for raw in raws:
        items = raw.value.get("items") if _kind(raw) == "List" else None
        if not isinstance(items, list):
            yield raw
            continue
        for number, item in enumerate(items):
            yield Raw(item, raw.origin._replace(node=_item(raw.origin.node, number), number=number + 1))


def _item(node: yaml.Node | None, number: int) -> yaml.Node | None:
    """Return where an item of a List stands."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    items = next((value for key, value in pairs if key.value == "items"), None)
    return items.value[number] if isinstance(items, yaml.SequenceNode) else None


def _kind(raw: Raw) -> str:
    kind = raw.value.get("kind") if isinstance(raw.value, dict) else None
    return kind if isinstance(kind, str) else ""


def _described(value: object) -> str:
    if not isinstance(value, dict):
        return shown(value)
    metadata = value.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return " ".join(str(word)[:80] for word in (value.get("kind", "a document without kind"), name) if word)


def _validated(raw: Raw) -> Read:
    version, model = KINDS[_kind(raw)]
    if raw.value.get("apiVersion") != version:
        found = raw.value.get("apiVersion")
        allowed = f"must be {version}{_HOW.get(_kind(raw), '')}"
        raise DocumentError(
            Problem(raw.origin.at(("apiVersion",)), "apiVersion", "" if found is None else shown(found), allowed)
        )
    try:
        return Read(model.model_validate(raw.value), raw.value, raw.origin)
    except ValidationError as error:
        raise DocumentError(*problems_of(error, model, raw.value, raw.origin, BUILT_IN)) from None
