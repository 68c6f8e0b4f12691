"""Who runs the fleet: a policy of the library or of a file, or a fixed count."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.library import SUFFIXES
from autoscaler.documents.load import find_peer, find_policy, load, policy_names
from autoscaler.documents.wording import close_match
from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import COMPLETED_REQUESTS, GATEWAY_REQUESTS, PENDING_REQUESTS, SignalRequest
from autoscaler.engine.spec import Startup
from autoscaler.errors import DocumentError, Problem, UsageError
from autoscaler.experiments.peer_contestants import of_manifests, of_peer
from autoscaler.peers.base import PeerDecider
from autoscaler.peers.fixed import Fixed
from autoscaler.simulator.replay import Contestant
from autoscaler.simulator.signals import SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autoscaler.documents.policy import ScalingPolicy
    from autoscaler.experiments.scene import Scene

FIXED = "fixed:"
_NONE: Mapping[str, ScalingPolicy] = MappingProxyType({})
_EVIDENCE = (SignalRequest(PENDING_REQUESTS), SignalRequest(COMPLETED_REQUESTS))


def contestants(
    name: str,
    scene: Scene,
    policies: Mapping[str, ScalingPolicy] = _NONE,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Contestant]:
    """Return those that a name stands for: `fixed:N`, a policy or peer of the library, or each policy of a file.

    `policies` are those that stand beside the scenario; they come before the library's. A file may hold manifests of
    HPA and KEDA too, which run as the peers they are; `tell` is called with what differs.

    Raises:
        UsageError: there is no such policy, or the count is not one.
        DocumentError: the file or a policy in it is wrong.
    """
    if name.startswith(FIXED):
        return [_fixed(name, scene)]
    path = Path(name)
    if path.suffix.lower() in SUFFIXES or path.exists():
        return _of_file(path, scene, tell)
    policy = find_policy(name, policies)
    peer = find_peer(name) if policy is None else None
    if peer is not None:
        return [of_peer(peer, scene)]
    if policy is None:
        known = policy_names(policies)
        allowed = f"a policy of the library ({', '.join(known)}), a file, or {FIXED}N"
        raise UsageError(f"--policy {name!r}: must be {allowed}{close_match(name, known)}")
    return [native(policy, scene, tell)]


def _of_file(path: Path, scene: Scene, tell: Callable[[str], None]) -> list[Contestant]:
    if path.is_file() and (peers := of_manifests(path, scene, tell)):
        return peers
    held = load([path])
    found = [native(policy, scene, tell) for policy in held.policies.values()]
    found += [of_peer(peer, scene) for peer in held.peers.values()]
    if not found:
        kinds = "a ScalingPolicy, a PeerPolicy, a HorizontalPodAutoscaler of autoscaling/v2 or a ScaledObject"
        raise DocumentError(Problem(str(path), "", "", f"must hold {kinds}"))
    return found


def _fixed(name: str, scene: Scene) -> Contestant:
    text = name.removeprefix(FIXED)
    if not (text.isascii() and text.isdigit() and int(text) <= scene.max_replicas):
        raise UsageError(f"--policy {name!r}: must be {FIXED}N with a whole N from 0 to {scene.max_replicas}")
    return Contestant(name, PeerDecider(Fixed(replicas=int(text))), ())


def native(policy: ScalingPolicy, scene: Scene, tell: Callable[[str], None]) -> Contestant:
    """Return the engine with a policy; `tell` is called with what it needs and the simulator does not show."""
    spec = compile_spec(
        policy.spec,
        min_replicas=scene.min_replicas,
        max_replicas=scene.max_replicas,
        interval_seconds=scene.course.interval_seconds,
        startup=Startup(expected_seconds=scene.cold_start.median_seconds),
        preset=scene.preset.name,
        ttft_seconds=scene.objective.ttft_seconds,
        tpot_seconds=scene.objective.tpot_seconds,
    )
    wanted = [request for rule in spec.rules for request in rule.needs] + list(_EVIDENCE)
    if spec.scale_to_zero is not None:
        wanted.append(SignalRequest(GATEWAY_REQUESTS))
    for name in sorted({request.name for request in wanted} - SHOWN):
        tell(f"{policy.metadata.name}: the simulator shows no signal {name}: the rules that need it hold the count")
    return Contestant(policy.metadata.name, Engine(spec), tuple(dict.fromkeys(wanted)), spec)
