"""Other autoscalers in the simulator: from a PeerPolicy, and from a manifest of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.documents.manifests.as_peer import as_peer
from autoscaler.documents.manifests.read import is_manifest, read_manifests
from autoscaler.documents.parse import read
from autoscaler.errors import DocumentError, Problem
from autoscaler.peers.registry import peer
from autoscaler.simulator.replay import Contestant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autoscaler.documents.manifests.as_peer import AsPeer
    from autoscaler.documents.parse import Raw
    from autoscaler.documents.peer import PeerPolicy
    from autoscaler.experiments.scene import Scene
    from autoscaler.peers.base import PeerModel


def of_peer(policy: PeerPolicy, scene: Scene) -> Contestant:
    """Return the peer of a document, within the scene's bounds where it does not name its own.

    Raises:
        UsageError: its own bound and the scene's contradict each other.
    """
    return contestant(policy.metadata.name, policy.spec.parameters, scene)


def of_manifests(path: Path, scene: Scene, tell: Callable[[str], None]) -> list[Contestant]:
    """Return a peer for each manifest of a file, with the manifest's own bounds; none if the file holds none.

    `tell` is called with what is not quite as it would be in a cluster.

    Raises:
        DocumentError: a manifest is wrong, or needs what the simulator does not show.
    """
    raws = read(path)
    return of_raw_manifests(raws, str(path), scene, tell) if is_manifest(raws) else []


def of_raw_manifests(raws: tuple[Raw, ...], origin: str, scene: Scene, tell: Callable[[str], None]) -> list[Contestant]:
    """Return a peer for each manifest among a file's documents; `origin` names the file in what is told.

    Raises:
        DocumentError: a manifest is wrong, or needs what the simulator does not show.
    """
    found = read_manifests(raws)
    problems: list[Problem] = []
    peers: list[AsPeer] = []
    for manifest in found.manifests:
        try:
            peers.append(as_peer(manifest))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(*problems)
    for line in found.skipped:
        tell(line)
    for one in peers:
        for note in one.notes:
            tell(f"{origin}: {one.name}: {note}")
    return [contestant(one.name, one.parameters, scene) for one in peers]


def contestant(name: str, parameters: PeerModel, scene: Scene, min_replicas: int | None = None) -> Contestant:
    """Return a peer within the scene's bounds where its parameters do not name their own.

    One that looks more often than the scene decides, such as Knative, does so here too, at samples of its own if that
    is what upstream has; one that looks less often holds in between. `min_replicas` takes the scene's place.

    Raises:
        UsageError: its own bound and the scene's contradict each other.
    """
    lowest = scene.min_replicas if min_replicas is None else min_replicas
    found = peer(name, parameters, lowest, scene.max_replicas)
    sooner = found.interval_seconds < scene.course.interval_seconds
    pace = (found.interval_seconds, found.samples_every_seconds) if sooner else (None, None)
    return Contestant(found.name, found.decider, found.requests, None, *pace)
