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
    from autoscaler.documents.peer import PeerPolicy
    from autoscaler.experiments.scene import Scene
    from autoscaler.peers.base import PeerModel


def of_peer(policy: PeerPolicy, scene: Scene) -> Contestant:
    """Return the peer of a document, within the scene's bounds where it does not name its own.

    Raises:
        UsageError: its own bound and the scene's contradict each other.
    """
    return _contestant(policy.metadata.name, policy.spec.parameters, scene)


def of_manifests(path: Path, scene: Scene, tell: Callable[[str], None]) -> list[Contestant]:
    """Return a peer for each manifest of a file, with the manifest's own bounds; none if the file holds none.

    `tell` is called with what is not quite as it would be in a cluster.

    Raises:
        DocumentError: a manifest is wrong, or needs what the simulator does not show.
    """
    raws = read(path)
    if not is_manifest(raws):
        return []
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
            tell(f"{path}: {one.name}: {note}")
    return [_contestant(one.name, one.parameters, scene) for one in peers]


def _contestant(name: str, parameters: PeerModel, scene: Scene) -> Contestant:
    found = peer(name, parameters, scene.min_replicas, scene.max_replicas)
    return Contestant(found.name, found.decider, found.requests)
