from __future__ import annotations

import pytest

from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Kind
from autoscaler.rules.kv_cache_utilization import KvCacheUtilization
from tests.rules.builders import NOW, answer, ask, fleet, signal

RULE = KvCacheUtilization(target_percent=90, pending_target_per_replica=20.0, max_replicas=10)
QUEUE = signal("queueDepth", 3.0)


def cache(percent, *more):
    """Return the cache's use as a signal."""
    return signal("kvCacheUtilization", percent, *more)


def test_above_the_target_with_a_queue_it_steps():
    """The fullest cache at 95 %, and requests wait: one replica more."""
    proposal = answer(RULE, cache(95.0), QUEUE, of=fleet(4))
    assert proposal[:2] == (Kind.COUNT, 5)
    assert proposal.reason == "the fullest KV cache 95 %, target 90 %, 3 waiting: 4 ready + 1"


def test_without_a_second_sign_of_load_it_holds():
    """One long prompt fills one cache: more replicas would not help, and fewer would hurt."""
    assert answer(RULE, cache(95.0), signal("queueDepth", 0.0), of=fleet(4)).kind is Kind.VETO


@pytest.mark.parametrize(("percent", "kind"), [(80.9, Kind.ABSTAIN), (81.0, Kind.VETO), (90.0, Kind.VETO)])
def test_near_the_target_nothing_is_lowered(percent, kind):
    """From 90 % of 90 % on; at the target itself there is no breach yet."""
    assert answer(RULE, cache(percent), QUEUE, of=fleet(4)).kind is kind


@pytest.mark.parametrize("doubtful", [cache(Quality.STALE), cache(95.0, Quality.PARTIAL)], ids=["stale", "partial"])
def test_what_is_not_known_whole_is_no_opinion(doubtful):
    """A guard that does not know abstains, and blocks nothing."""
    proposal = answer(RULE, doubtful, QUEUE, of=fleet(4))
    assert (proposal.kind, proposal.blocks_decrease) == (Kind.ABSTAIN, False)


@pytest.mark.parametrize("of", [fleet(0, spec=1), fleet(2, known=False)], ids=["none ready", "pods not known"])
def test_without_ready_replicas_it_is_no_opinion(of):
    """A starting replica's empty cache says nothing."""
    assert answer(RULE, cache(95.0), QUEUE, of=of).kind is Kind.ABSTAIN


def test_it_waits_for_its_own_step():
    """A risen count is judged when its replicas are Ready and a rate window has passed."""
    _, memory = ask(RULE, cache(95.0), QUEUE, of=fleet(4))
    waiting, _ = ask(RULE, cache(95.0), QUEUE, of=fleet(4, spec=5, starting=1), memory=memory, now=NOW + 15)
    assert waiting.kind is Kind.VETO
