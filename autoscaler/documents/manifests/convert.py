"""Manifests of other autoscalers as documents of ours: every field either has a counterpart or is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import Documents, Loaded, conflicts, validate
from autoscaler.documents.manifests.base import Note, unknown_fields
from autoscaler.documents.manifests.from_hpa import draft_hpa
from autoscaler.documents.manifests.from_keda import draft_keda
from autoscaler.documents.manifests.hpa import HpaManifest
from autoscaler.documents.manifests.read import KINDS, read_manifests
from autoscaler.documents.manifests.text import autoscaler_text, carried_annotations, policy_text
from autoscaler.documents.parse import Origin, parse
from autoscaler.documents.wording import shown
from autoscaler.errors import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoscaler.documents.manifests.draft import Draft
    from autoscaler.documents.manifests.read import Read
    from autoscaler.documents.parse import Raw

NO_BACKEND = "no metric tells the backend, so it is vllm: say which one it is"
NO_NAMESPACE = "none: it became default"
ONE_WRITER = "DryRun: before it is Active, the {kind} must go, for both would write one count."
_OF_THE_SERVER = (
    "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink",
)  # fmt: skip


class Converted(NamedTuple):
    """What manifests became."""

    text: str
    """YAML: an InferenceAutoscaler and a ScalingPolicy for each."""
    notes: tuple[str, ...]
    """What is not as it was, each with its place; the text says the same in comments."""


def convert(raws: Iterable[Raw]) -> Converted:
    """Return our documents for a file's manifests.

    Raises:
        DocumentError: there is none, one is wrong, or nothing of it can be carried over.
    """
    raws = tuple(raws)
    found = read_manifests(raws)
    if not found.manifests:
        source = raws[0].origin.path if raws else "the file"
        raise DocumentError(Problem(source, "", "", f"must hold a manifest of kind {' or '.join(KINDS)}"))
    names = _policy_names(found.manifests)
    problems: list[Problem] = []
    texts: list[str] = []
    notes = list(found.skipped)
    for read, name in zip(found.manifests, names, strict=True):
        try:
            draft = _draft(read)
        except DocumentError as error:
            problems += error.problems
            continue
        notes += [f"{read.origin.at()}: {read.title}: {note}" for note in draft.notes]
        head = f"From {read.title}, {read.origin.at()}. {ONE_WRITER.format(kind=read.manifest.kind)}"
        texts += [
            autoscaler_text(draft, read.manifest.metadata, read.manifest.spec.scale_target_ref, name, head),
            policy_text(draft, name),
        ]
    if problems:
        raise DocumentError(*problems)
    text = "---\n".join(texts)
    _prove(text, found.manifests)
    return Converted(text, tuple(notes))


def _draft(read: Read) -> Draft:
    manifest, origin = read.manifest, read.origin
    target = manifest.spec.scale_target_ref
    if (target.api_version, target.kind) != ("apps/v1", "Deployment"):
        where, found = ("spec", "scaleTargetRef", "kind"), shown(f"{target.api_version} {target.kind}")
        raise DocumentError(Problem(origin.at(where), ".".join(where), found, "must be a Deployment of apps/v1"))
    draft = draft_hpa(manifest, read.raw) if isinstance(manifest, HpaManifest) else draft_keda(manifest, read.raw)
    if not draft.rules:
        reasons = "; ".join(str(note) for note in draft.notes)
        raise DocumentError(Problem(origin.at(("spec",)), "spec", "", f"nothing of it can be carried over: {reasons}"))
    draft.notes += list(_rest(read))
    if not draft.backend:
        draft.note("", NO_BACKEND)
    return draft


def _rest(read: Read) -> Iterator[Note]:
    """Yield what no model of the manifest knows, apart from what the API server writes itself."""
    manifest = read.manifest
    if "namespace" not in read.raw["metadata"]:
        yield Note("metadata.namespace", NO_NAMESPACE)
    for note in unknown_fields(manifest):
        if note.place.removeprefix("metadata.") not in _OF_THE_SERVER:
            yield note
    carried = carried_annotations(manifest.metadata)
    for name in manifest.metadata.annotations:
        if name not in carried and name.startswith("autoscaling.alpha.kubernetes.io/"):
            yield Note(f"metadata.annotations[{name!r}]", "not carried over")


def _policy_names(reads: Iterable[Read]) -> list[str]:
    """Return a name for each policy: the manifest's own, with namespace and kind where it would not be the only one."""
    names: list[str] = []
    for read in reads:
        metadata = read.manifest.metadata
        candidates = (
            metadata.name,
            f"{metadata.namespace}-{metadata.name}"[:253],
            f"{metadata.namespace}-{metadata.name}"[:240] + f"-{len(names)}",
        )
        names.append(next(name for name in candidates if name not in names))
    return names


def _prove(text: str, reads: tuple[Read, ...]) -> None:
    """Load and compile what was written, as `check` does.

    Raises:
        DocumentError: two manifests stand for one name or one target.
    """
    items = tuple(Loaded(validate(raw), raw.origin) for raw in parse(text, "what it became"))
    named = tuple(
        item._replace(origin=Origin(reads[number // 2].origin.at())) if number % 2 == 0 else item
        for number, item in enumerate(items)
    )
    problems = conflicts(named)
    if problems:
        raise DocumentError(*problems)
    compile_all(Documents(named))
