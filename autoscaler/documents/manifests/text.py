"""A draft as YAML with its comments."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import yaml

from autoscaler.documents.base import API_VERSION
from autoscaler.documents.manifests.draft import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoscaler.documents.manifests.base import ManifestMetadata, TargetRef
    from autoscaler.documents.manifests.draft import Draft

_WIDTH = 118
_INFINITE = 1 << 30


def autoscaler_text(draft: Draft, metadata: ManifestMetadata, target: TargetRef, policy: str, head: str) -> str:
    """Return the InferenceAutoscaler; `head` says where it comes from."""
    differences = [head, *([f"- {note}" for note in draft.notes] and ["What is not as it was:"])]
    differences += [f"- {note}" for note in draft.notes]
    lines = [*comments(differences), f"apiVersion: {API_VERSION}", "kind: InferenceAutoscaler", "metadata:"]
    lines += _entry(2, "name", metadata.name) + _entry(2, "namespace", metadata.namespace)
    lines += _entry(2, "labels", metadata.labels) if metadata.labels else []
    annotations = carried_annotations(metadata)
    lines += _entry(2, "annotations", annotations) if annotations else []
    reference = {"apiVersion": target.api_version, "kind": target.kind, "name": target.name}
    lines += ["spec:", *_entry(2, "scaleTargetRef", reference)]
    lines += [f"  minReplicas: {draft.min_replicas}", f"  maxReplicas: {draft.max_replicas}", f"  mode: {draft.mode}"]
    lines += _entry(2, "backend", draft.backend or "vllm")
    lines += _signals(draft)
    lines += _entry(2, "fallback", draft.fallback) if draft.fallback is not None else []
    return "\n".join([*lines, *_entry(2, "policyRef", {"name": policy})]) + "\n"


def policy_text(draft: Draft, policy: str) -> str:
    """Return the ScalingPolicy."""
    lines = [f"apiVersion: {API_VERSION}", "kind: ScalingPolicy", *_entry(0, "metadata", {"name": policy})]
    lines += ["spec:", "  rules:"]
    for rule in draft.rules:
        lines += comments([rule.comment], 4)
        lines += [f"    - {_flow(rule.value)}"]
    zero = {word: plain(value) for word, value in (draft.scale_to_zero or {}).items()}
    lines += _entry(2, "scaleToZero", zero) if zero else []
    if draft.behavior:
        lines += comments(["As it was."], 2)
        lines += ["  behavior:", *_block(draft.behavior, 4)]
    return "\n".join(lines) + "\n"


def carried_annotations(metadata: ManifestMetadata) -> dict[str, str]:
    """Return the annotations that are the user's own."""
    others = ("kubectl.kubernetes.io/", "autoscaling.keda.sh/", "autoscaling.alpha.kubernetes.io/")
    return {name: value for name, value in metadata.annotations.items() if not name.startswith(others)}


def comments(texts: Iterable[str], indent: int = 0) -> list[str]:
    """Return the texts as comments, each in as many lines as it needs."""
    prefix = " " * indent + "# "
    return [prefix + line for text in texts for line in _wrapped(text, _WIDTH - len(prefix))]


def _wrapped(text: str, width: int) -> Iterator[str]:
    # a character that YAML does not allow may not stand in a comment either
    clean = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    hanging = "  " if clean.startswith("- ") else ""
    yield from textwrap.wrap(clean, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _signals(draft: Draft) -> list[str]:
    lines = ["  signals:"] if draft.signals else []
    for name, source in draft.signals.items():
        lines += comments([draft.comments[name]], 4)
        lines += [f"    {_flow(name)}:"]  # a metric may be called `Null`, which is no text in YAML
        for word, value in source.items():
            lines += _entry(6, word, value)
    return lines


def _entry(indent: int, name: str, value: Any) -> list[str]:  # noqa: ANN401 - plain values
    return [f"{' ' * indent}{name}: {_flow(value)}"]


def _flow(value: Any) -> str:  # noqa: ANN401 - plain values
    """Return a value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=_INFINITE)
    return text.removesuffix("...\n").strip()


def _block(value: Any, indent: int) -> list[str]:  # noqa: ANN401 - plain values
    text = yaml.safe_dump(value, default_flow_style=None, sort_keys=False, width=_INFINITE)
    return [" " * indent + line for line in text.splitlines()]
