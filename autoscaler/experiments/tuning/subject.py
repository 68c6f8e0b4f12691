"""What is tuned: a policy of ours, a peer, or somebody's manifest, as the document that it stands in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.documents import library
from autoscaler.documents.base import API_VERSION
from autoscaler.documents.load import policy_names, validate
from autoscaler.documents.manifests.read import KINDS as MANIFESTS
from autoscaler.documents.parse import Origin, Raw, read
from autoscaler.documents.peer import PeerPolicy
from autoscaler.documents.policy import ScalingPolicy
from autoscaler.documents.wording import close_match
from autoscaler.errors import AutoscalerError, DocumentError, Problem, UsageError
from autoscaler.experiments.contestants import FIXED, native
from autoscaler.experiments.peer_contestants import of_peer, of_raw_manifests
from autoscaler.experiments.tuning import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.experiments.scene import Scene
    from autoscaler.experiments.tuning.space import Setting, Varied
    from autoscaler.simulator.replay import Contestant

Document = dict[str, Any]
"""A document as YAML holds it."""
_OWN = ("ScalingPolicy", "PeerPolicy")


class Subject(NamedTuple):
    """A document, and where its parameters begin."""

    document: Document
    origin: str
    """The file it came from, or its name in the library."""

    @property
    def name(self) -> str:
        """As the document calls itself."""
        return str(paths.found(self.document, ("metadata", "name")) or "unnamed")

    @property
    def root(self) -> paths.Path:
        """Where paths begin: a peer's parameters, else the spec."""
        return ("spec", "parameters") if self.document.get("kind") == "PeerPolicy" else ("spec",)

    @property
    def parameters(self) -> Document:
        """What may vary."""
        inside = paths.found(self.document, self.root)
        return inside if isinstance(inside, dict) else {}

    def value(self, varied: Varied) -> object:
        """Return what the document itself says of a parameter; None if nothing."""
        return paths.found(self.parameters, varied.path)

    def with_setting(self, varied: Sequence[Varied], setting: Setting) -> Document:
        """Return the document with these values."""
        document: Document = self.document
        for one, value in zip(varied, setting, strict=True):
            document = paths.replaced(document, (*self.root, *one.path), value)
        return document


def find_subject(name: str, policies: Mapping[str, ScalingPolicy]) -> Subject:
    """Return what a name stands for: `fixed:N`, a policy or peer of the library, or a file with exactly one.

    `policies` are those that stand beside the scenario; they come before the library's.

    Raises:
        UsageError: there is no such policy.
        DocumentError: the file is wrong, or does not hold exactly one.
    """
    if name.startswith(FIXED):
        return Subject(fixed(name.removeprefix(FIXED)), name)
    if name in policies:
        return Subject(policies[name].model_dump(mode="json", by_alias=True, exclude_unset=True), name)
    path = Path(name)
    if not (path.suffix.lower() in library.SUFFIXES or path.exists()):
        shipped = library.find(library.policies(), name)
        if shipped is None:
            known = policy_names(policies)
            allowed = f"a policy of the library ({', '.join(known)}), a file, or {FIXED}N"
            raise UsageError(f"--policy {name!r}: must be {allowed}{close_match(name, known)}")
        path = shipped
    held = [raw for raw in read(path) if isinstance(raw.value, dict) and raw.value.get("kind") in (*_OWN, *MANIFESTS)]
    if len(held) != 1:
        kinds = "ScalingPolicy, PeerPolicy, HorizontalPodAutoscaler or ScaledObject"
        raise DocumentError(Problem(str(path), "", f"{len(held)}", f"must hold exactly one {kinds} to be tuned"))
    return Subject(held[0].value, str(path))


def fixed(replicas: int | str) -> Document:
    """Return the document of a fleet that never changes."""
    count = int(replicas) if str(replicas).isdecimal() else replicas
    spec = {"peer": "fixed", "parameters": {"replicas": count}}
    return {"apiVersion": API_VERSION, "kind": "PeerPolicy", "metadata": {"name": "fixed"}, "spec": spec}


def contestant(
    document: Document, origin: str, scene: Scene, tell: Callable[[str], None] = lambda _: None
) -> Contestant:
    """Return whoever a document describes, ready for a scene.

    Raises:
        DocumentError: the document is wrong.
        UsageError: it cannot run in this scene.
    """
    raw = Raw(document, Origin(origin))
    if document.get("kind") in MANIFESTS:
        return of_raw_manifests((raw,), origin, scene, tell)[0]
    policy = validate(raw)
    if isinstance(policy, ScalingPolicy):
        return native(policy, scene, tell)
    if isinstance(policy, PeerPolicy):
        return of_peer(policy, scene)
    raise DocumentError(Problem(origin, "kind", str(document.get("kind")), f"must be one of {', '.join(_OWN)}"))


def is_valid(document: Document, origin: str, scene: Scene) -> bool:
    """Return whether a document can run in a scene."""
    try:
        contestant(document, origin, scene)
    except AutoscalerError:
        return False
    return True
