"""What is allowed, and still looks like a mistake: told by `check` and at start-up, and no reason to refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.proposal import Role
from autoscaler.rules.capacity import Capacity
from autoscaler.rules.gpu_utilization import GpuUtilization
from autoscaler.rules.queue_depth import QueueDepth
from autoscaler.rules.request_rate import RequestRate
from autoscaler.rules.schedule import Schedule
from autoscaler.rules.target_tracking import TargetTracking
from autoscaler.rules.token_rate import TokenRate
from autoscaler.signals.exporters import CADVISOR
from autoscaler.signals.presets import resolve

if TYPE_CHECKING:
    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.engine.proposal import Rule
    from autoscaler.engine.spec import EngineSpec

ONLY_GUARDS = "only guards and no sizing rule: nothing ever lowers the count; add pendingRequests"
ONLY_QUEUE = (
    "queueDepth is the only sizing rule: a queue is backlog and not demand, so the count cycles; add pendingRequests"
)
ONLY_RATES = "only rates size: full replicas show what they serve and not what is asked of them; add pendingRequests"
SIZED_BY_LATENCY = "targetTracking sizes by a latency, which is not linear in replicas: guard it with the rule latency"
TWO_SCHEDULES = (
    "two rules of type schedule: their bounds intersect, and the first one wins; one with all windows is clearer"
)
NOT_ON_PAGES = "{signal} is cAdvisor's, and on no page of a pod: the source scrape cannot read it"
SIZED_BY_GPU = (
    "gpuUtilization sizes: a GPU is 93 % busy at 6 % of an LLM's capacity, so the count runs to the maximum; "
    "use role: guard, and size by pendingRequests"
)
BLIND_CAPACITY = (
    "the rule {name} knows no replica, so it sizes by requests in flight: give `spec.replica`, a preset or iteration"
)
TIGHT_WAKE = "idleAfterSeconds ({idle:g}) is shorter than a start-up ({startup:g} s): it sleeps sooner than it wakes"


def warnings(target: CompiledTarget) -> tuple[str, ...]:
    """Return what looks like a mistake in one target, for a person; usually nothing."""
    found = list(rule_warnings(target.spec.rules))
    spec = target.spec
    if target.replica is None:
        found += [BLIND_CAPACITY.format(name=name) for name in _without_replica(spec.rules)]
    if (tight := _tight_wake(spec)) is not None:
        found.append(tight)
    return tuple(found)


def source_warnings(target: CompiledTarget, *, scraping: bool) -> tuple[str, ...]:
    """Return which of the document's own signals the daemon's source cannot read, for a person.

    The source `scrape` reads `url` and `metric`, the source `prometheus` reads `query`; a signal may have both forms.
    """
    source, form = ("scrape", "`url` and `metric`") if scraping else ("prometheus", "`query`")
    unread = [
        f"{own.origin}: {name}" if own.origin else f"signals.{name}"
        for name, own in target.overrides.items()
        if not (own.url if scraping else own.query)
    ]
    told = [f"{name} has no {form}: the source {source} cannot read it" for name in unread]
    if scraping:
        told += [NOT_ON_PAGES.format(signal=name) for name in _of_nodes(target)]
    return tuple(told)


def _of_nodes(target: CompiledTarget) -> list[str]:
    """Return the signals that only the nodes' own exporters show."""
    names = dict.fromkeys(request.name for request in target.requests if request.name not in target.overrides)
    found = ((name, resolve(target.backend, name)) for name in names)
    return [name for name, one in found if one is not None and one.preset is CADVISOR]


def rule_warnings(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Return what looks like a mistake in a policy's rules."""
    sizing = [rule for rule in rules if rule.role is Role.SIZE]
    found = []
    if not sizing:
        found.append(ONLY_GUARDS)
    elif all(isinstance(rule, QueueDepth) for rule in sizing):
        found.append(ONLY_QUEUE)
    elif all(isinstance(rule, RequestRate | TokenRate) for rule in sizing):
        found.append(ONLY_RATES)
    if any(isinstance(rule, TargetTracking) and rule.quantile is not None for rule in sizing):
        found.append(SIZED_BY_LATENCY)
    if sum(isinstance(rule, Schedule) for rule in rules) > 1:
        found.append(TWO_SCHEDULES)
    if any(isinstance(rule, GpuUtilization) for rule in sizing):
        found.append(SIZED_BY_GPU)
    return tuple(found)


def _without_replica(rules: tuple[Rule, ...]) -> list[str]:
    """Return the rules that would size by what a replica can do, and are not told what it is."""
    found = (rule for rule in rules if isinstance(rule, Capacity))
    return [rule.name for rule in found if rule.preset is None and rule.iteration is None]


def _tight_wake(spec: EngineSpec) -> str | None:
    zero, startup_seconds = spec.scale_to_zero, spec.startup.expected_seconds
    if zero is None or zero.idle_after_seconds >= startup_seconds:
        return None
    return TIGHT_WAKE.format(idle=zero.idle_after_seconds, startup=startup_seconds)
