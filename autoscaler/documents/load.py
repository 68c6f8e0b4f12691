"""Files and folders of documents: read, checked one by one, and everything that is wrong told at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from autoscaler.documents import library
from autoscaler.documents.autoscaler import InferenceAutoscaler
from autoscaler.documents.base import API_VERSION
from autoscaler.documents.parse import Origin, Raw, read
from autoscaler.documents.peer import PeerPolicy
from autoscaler.documents.policy import ScalingPolicy
from autoscaler.documents.problems import problems_of
from autoscaler.documents.scenario import Scenario
from autoscaler.documents.wording import close_match, shown
from autoscaler.errors import DocumentError, Problem
from autoscaler.rules.registry import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoscaler.rules.base import RuleModel

AnyDocument = InferenceAutoscaler | ScalingPolicy | Scenario | PeerPolicy
KINDS: Mapping[str, type[AnyDocument]] = {
    "InferenceAutoscaler": InferenceAutoscaler,
    "ScalingPolicy": ScalingPolicy,
    "Scenario": Scenario,
    "PeerPolicy": PeerPolicy,
}


class Loaded(NamedTuple):
    """One document, and where it stands."""

    document: AnyDocument
    origin: Origin

    @property
    def title(self) -> str:
        """`Kind name`, with the namespace where there is one."""
        metadata = self.document.metadata
        name = f"{metadata.namespace}/{metadata.name}" if self.document.kind == "InferenceAutoscaler" else metadata.name
        return f"{self.document.kind} {name}"


class Documents(NamedTuple):
    """Everything that was loaded, in the order of files and of documents within them."""

    items: tuple[Loaded, ...]
    registry: Mapping[str, type[RuleModel]] = BUILT_IN

    @property
    def autoscalers(self) -> tuple[InferenceAutoscaler, ...]:
        """The InferenceAutoscaler documents."""
        return tuple(item.document for item in self.items if isinstance(item.document, InferenceAutoscaler))

    @property
    def policies(self) -> Mapping[str, ScalingPolicy]:
        """The ScalingPolicy documents, by name; the library's are not among them."""
        found = (item.document for item in self.items if isinstance(item.document, ScalingPolicy))
        return {document.metadata.name: document for document in found}

    @property
    def peers(self) -> Mapping[str, PeerPolicy]:
        """The PeerPolicy documents, by name; the library's are not among them."""
        found = (item.document for item in self.items if isinstance(item.document, PeerPolicy))
        return {document.metadata.name: document for document in found}

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The Scenario documents."""
        return tuple(item.document for item in self.items if isinstance(item.document, Scenario))


def load(paths: Iterable[Path | str], registry: Mapping[str, type[RuleModel]] = BUILT_IN) -> Documents:
    """Return the documents of files and folders; `registry` says which rule types there are.

    Raises:
        DocumentError: with everything that is wrong in any of them.
    """
    problems: list[Problem] = []
    items: list[Loaded] = []
    for path in _each_file(paths, problems):
        try:
            raws = read(path)
        except DocumentError as error:
            problems += error.problems
            continue
        if not raws:
            problems.append(Problem(str(path), "", "", "must hold at least one document"))
        for raw in raws:
            try:
                items.append(Loaded(validate(raw, registry), raw.origin))
            except DocumentError as error:
                problems += error.problems
    problems += conflicts(items)
    if problems:
        raise DocumentError(*problems)
    return Documents(tuple(items), registry)


def validate(raw: Raw, registry: Mapping[str, type[RuleModel]] = BUILT_IN) -> AnyDocument:
    """Return the document that a raw value is.

    Raises:
        DocumentError: with everything that is wrong in it.
    """
    value, origin = raw
    if not isinstance(value, dict):
        raise DocumentError(
            Problem(origin.at(), "", shown(value), "must be a mapping with apiVersion, kind, metadata, spec")
        )
    kind, version = value.get("kind"), value.get("apiVersion")
    problems = []
    if version != API_VERSION:
        problems.append(Problem(origin.at(("apiVersion",)), "apiVersion", _found(version), f"must be {API_VERSION}"))
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        allowed = f"must be one of {', '.join(KINDS)}{close_match(kind, KINDS)}"
        problems.append(Problem(origin.at(("kind",)), "kind", _found(kind), allowed))
    if problems or model is None:
        raise DocumentError(*problems)
    try:
        return model.model_validate(value, by_name=False, context={"registry": registry})
    except ValidationError as error:
        raise DocumentError(*problems_of(error, model, value, origin, registry)) from None


def _found(value: object) -> str:
    return "" if value is None else shown(value)


def find_policy(
    name: str,
    policies: Mapping[str, ScalingPolicy],
    registry: Mapping[str, type[RuleModel]] = BUILT_IN,
) -> ScalingPolicy | None:
    """Return the policy of a name: among `policies`, else in the library; None if there is none.

    Raises:
        DocumentError: the library's document is wrong for this registry.
    """
    if name in policies:
        return policies[name]
    path = library.find(library.policies(), name)
    return load([path], registry).policies.get(name) if path is not None else None


def find_peer(name: str) -> PeerPolicy | None:
    """Return the peer of a name in the library; None if there is none.

    Raises:
        DocumentError: the library's document is wrong.
    """
    path = library.find(library.policies(), name)
    return load([path]).peers.get(name) if path is not None else None


def policy_names(policies: Mapping[str, ScalingPolicy]) -> tuple[str, ...]:
    """Return the names that `simulate` knows: those that `find_policy` does, and the library's peers."""
    folder = library.policies()
    shipped = (path.stem for path in library.files(folder)) if folder.is_dir() else ()
    return tuple(sorted({*policies, *shipped}))


def own_policy_names(policies: Mapping[str, ScalingPolicy]) -> tuple[str, ...]:
    """Return the names that `find_policy` knows: a target cannot be scaled by a peer."""
    names = (name for name in policy_names(policies) if name in policies or find_peer(name) is None)
    return tuple(names)


def _each_file(paths: Iterable[Path | str], problems: list[Problem]) -> list[Path]:
    """Return the files that the paths name, each once; a path that names nothing is a problem."""
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        try:
            inside = library.files(path) if path.is_dir() else (path,)
        except OSError as error:
            problems.append(Problem(str(path), "", "", f"cannot be read: {error.strerror}"))
            continue
        if not inside:
            problems.append(Problem(str(path), "", "", f"must hold a document: {', '.join(library.SUFFIXES)}"))
        found.update(dict.fromkeys(inside))
    return list(found)


def conflicts(items: Iterable[Loaded]) -> list[Problem]:
    """Return a problem for each of several documents of one name, and of several on one target."""
    by_title: dict[str, list[Loaded]] = {}
    by_target: dict[str, list[Loaded]] = {}
    for item in items:
        by_title.setdefault(item.title, []).append(item)
        if isinstance(item.document, InferenceAutoscaler):
            by_target.setdefault(item.document.target_key, []).append(item)
    problems = []
    for namesakes in by_title.values():
        problems += [_namesake(item, other) for item, other in _each_with_another(namesakes)]
    for rivals in by_target.values():
        pairs = _each_with_another(rivals)
        problems += [_rival(item, other) for item, other in pairs if item.title != other.title]
    return problems


def _each_with_another(items: list[Loaded]) -> list[tuple[Loaded, Loaded]]:
    """Return each of several items with the first of the others; nothing for a single one."""
    return [] if len(items) == 1 else [(item, items[0] if number else items[1]) for number, item in enumerate(items)]


def _namesake(item: Loaded, other: Loaded) -> Problem:
    allowed = f"must be unique for its kind, and {other.origin.at()} has the same name"
    where = item.origin.at(("metadata", "name"))
    return Problem(where, "metadata.name", shown(item.document.metadata.name), allowed)


def _rival(item: Loaded, other: Loaded) -> Problem:
    allowed = f"{item.title} and {other.title} scale the same target, and both are refused: keep one of them"
    return Problem(item.origin.at(("spec", "scaleTargetRef")), "spec.scaleTargetRef", "", allowed)
