"""Which targets there are: documents in files, read again when their content changes."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from autoscaler.documents import library
from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.errors import DocumentError, Problem
from autoscaler.rules.registry import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.documents.load import Documents
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.rules.base import RuleModel


class Loaded(NamedTuple):
    """The documents in use."""

    targets: Mapping[str, CompiledTarget]
    """By `namespace/name` of what is scaled."""
    documents: Mapping[str, str]
    """As they were written, by file name; with what else it takes to compile them again."""


class Catalog(Protocol):
    """Where the daemon's targets come from."""

    def fingerprint(self) -> str:
        """Return a hash of the content, without judging it; never raises for what is wrong in it."""

    def load(self) -> Loaded:
        """Return the targets.

        Raises:
            DocumentError: with everything that is wrong in any document.
        """


class FileCatalog:
    """Documents in files and folders, by content: a ConfigMap's symbolic links may be swapped beneath them."""

    def __init__(
        self,
        paths: Sequence[Path],
        interval_seconds: float = 15.0,
        registry: Mapping[str, type[RuleModel]] = BUILT_IN,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._paths = tuple(paths)
        self._namespaces = frozenset(namespaces)
        self._interval_seconds = interval_seconds
        self._registry = registry

    def fingerprint(self) -> str:
        """Return a hash over the files' names and content."""
        digest = hashlib.sha256()
        for name, content in _contents(self._paths):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def load(self) -> Loaded:
        """Return the targets of the files as they are now.

        Raises:
            DocumentError: with everything that is wrong in any document.
        """
        documents = load(self._paths, self._registry)
        self._refuse_strangers(documents)
        targets = compile_all(documents, interval_seconds=self._interval_seconds)
        texts = {name: content.decode(errors="replace") for name, content in _contents(self._paths)}
        return Loaded({target.key: target for target in targets}, {**texts, **_from_library(documents)})

    def _refuse_strangers(self, documents: Documents) -> None:
        """Raise DocumentError for documents in a namespace that is not ours, and where nothing is to be scaled."""
        if not documents.autoscalers:
            where = ", ".join(map(str, self._paths))
            raise DocumentError(Problem(where, "", "", "must hold at least one InferenceAutoscaler"))
        if not self._namespaces:
            return
        allowed = f"must be one of the namespaces in the settings: {', '.join(sorted(self._namespaces))}"
        problems = [
            Problem(item.origin.at(("metadata", "namespace")), "metadata.namespace", namespace, allowed)
            for item in documents.items
            if item.document.kind == "InferenceAutoscaler"
            and (namespace := item.document.metadata.namespace) not in self._namespaces
        ]
        if problems:
            raise DocumentError(*problems)


def compile_texts(
    documents: Mapping[str, str], interval_seconds: float, registry: Mapping[str, type[RuleModel]] = BUILT_IN
) -> Mapping[str, EngineSpec]:
    """Return the spec of each target by `namespace/name`, from documents as a journal keeps them.

    Raises:
        DocumentError: this version takes them for wrong.
    """
    with tempfile.TemporaryDirectory(prefix="autoscaler-") as folder:
        paths = []
        for number, (name, text) in enumerate(documents.items()):
            path = Path(folder) / f"{number:03d}-{Path(name).name}"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        targets = compile_all(load(paths, registry), interval_seconds=interval_seconds)
    return {target.key: target.spec for target in targets}


def _contents(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        try:
            files = library.files(path) if path.is_dir() else (path,)
        except OSError:
            files = ()
        for file in files:
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                # unreadable is a content of its own: `load` says what is wrong
                yield str(file), str(error).encode()


def _from_library(documents: Documents) -> Mapping[str, str]:
    """Return the library's policies that the documents name: another version may ship others."""
    folder, texts = library.policies(), {}
    for autoscaler in documents.autoscalers:
        ref = autoscaler.spec.policy_ref
        if ref is None or ref.name in documents.policies:
            continue
        path = library.find(folder, ref.name)
        if path is not None:
            texts[str(path)] = path.read_text(encoding="utf-8")
    return texts
