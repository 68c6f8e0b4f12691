"""The engine's rules, over sequences of at least thirty ticks in a world where everything goes wrong.

`HYPOTHESIS_PROFILE=thorough` runs 10,000 sequences and asks that at least a tenth of them lower the count, reach zero
and have stuck replicas.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoscaler.engine import Engine, Mode, Quality, Reason, state_from_json, state_to_json
from autoscaler.engine.behavior import SelectPolicy
from autoscaler.engine.proposal import Kind, Role
from tests.engine.world import INTERVAL, PER_REPLICA, Seen, Segment, World, bounds_of, segments, specs

KNOWN = (Quality.OK, Quality.PARTIAL)


def roles(tick: Seen) -> dict[str, Role]:
    """Return the role of each of the tick's rules by name."""
    return {rule.name: rule.role for rule in tick.spec.rules}


def check_unknown_is_not_zero(tick: Seen) -> None:
    """Rule 1: a sizing signal that is not ok blocks a decrease, but for a maximum that was lowered."""
    for name, proposal in tick.decision.proposals:
        if roles(tick).get(name) is Role.SIZE:
            signal = tick.observation.signals[name]
            assert proposal.blocks_decrease == (signal.quality is not Quality.OK)
            if proposal.blocks_decrease:
                assert tick.decision.replicas >= min(tick.decision.current, bounds_of(tick)[1])


def check_zero_is_proven(tick: Seen, past: list[Seen]) -> None:
    """Rule 2: 1 → 0 only after a whole idle window of positive evidence, looked up in what was really observed."""
    if tick.decision.replicas or not tick.decision.current:
        return
    assert tick.decision.current == 1
    assert tick.spec.zero_allowed
    assert bounds_of(tick)[0] == 0
    assert tick.decision.reason is Reason.IDLE
    start = tick.at - tick.spec.scale_to_zero.idle_after_seconds
    window = [seen for seen in past if seen.at >= start] + [tick]
    assert window[0].at <= start + INTERVAL
    completed = {seen.observation.signals["completedRequests"].value for seen in window}
    assert len(completed) == 1
    for before, seen in itertools.pairwise(window):
        assert seen.at - before.at <= 2 * INTERVAL
    for seen in window:
        assert seen.decision.fleet.ready > 0
        for name in ("pendingRequests", "completedRequests", "gatewayRequests"):
            assert seen.observation.signals[name].quality is Quality.OK
        assert seen.observation.signals["pendingRequests"].value == 0
        assert seen.observation.signals["gatewayRequests"].value == 0
    assert tick.decision.fleet.starting == tick.decision.fleet.stuck == 0


def check_starting_is_credited(tick: Seen) -> None:
    """Rule 3: load that ready and starting replicas absorb raises nothing; beyond stuck ones only a probe goes."""
    decision, fleet = tick.decision, tick.decision.fleet
    if decision.current == 0 or tick.spec.mode is Mode.PAUSED:
        return
    floor = max(bounds_of(tick)[0], tick.spec.fallback.replicas if tick.spec.fallback else 0)
    asked = [p.replicas for _, p in decision.proposals if p.kind in (Kind.DEMAND, Kind.COUNT)]
    if fleet.ready + fleet.starting >= decision.current and max(asked, default=0) <= decision.current:
        assert decision.replicas <= max(decision.current, floor)
    if fleet.unschedulable and not fleet.rollout and decision.replicas > max(decision.current, floor):
        assert decision.replicas == decision.current + 1
        assert tick.at >= tick.before.probe_at
        assert tick.after.probe_at >= tick.at + 2 * tick.spec.startup.backoff_seconds


def check_guards_only_raise(tick: Seen) -> None:
    """Rule 4: a guard lowers nothing, steps by a tenth at most, and not knowing it has no opinion."""
    for name, proposal in tick.decision.proposals:
        if roles(tick).get(name) is not Role.GUARD or proposal.kind is Kind.BOUNDS:
            continue
        signal = tick.observation.signals["timeToFirstToken:0.99" if name == "latency" else name]
        if signal.quality is not Quality.OK:
            assert proposal.kind is Kind.ABSTAIN
            assert not proposal.blocks_decrease
        if proposal.kind is Kind.COUNT:
            assert tick.decision.fleet.starting == 0
            assert proposal.replicas <= tick.decision.fleet.ready + 2


def check_bounds(tick: Seen) -> None:
    """Rule 5: within the bounds, at zero where that is allowed, or on the way down to a lowered maximum."""
    decision, (least, most) = tick.decision, bounds_of(tick)
    if tick.spec.mode is Mode.PAUSED or decision.reason in (Reason.FOREIGN_HOLD, Reason.OFF):
        assert decision.replicas == decision.current
    elif decision.current > most:
        assert max(1, least) <= decision.replicas <= decision.current
        if tick.spec.scale_down.select_policy is SelectPolicy.DISABLED:
            assert decision.replicas <= most
    elif decision.replicas == 0:
        assert tick.spec.zero_allowed
        assert least == 0
    else:
        assert max(1, least) <= decision.replicas <= most


def check_restarts_are_patient(tick: Seen, past: list[Seen]) -> None:
    """Rule 6: nothing is lowered until a whole down window has been seen since a restart, a step or an edit."""
    decision, window = tick.decision, tick.spec.scale_down.stabilization_window_seconds
    if decision.replicas >= decision.current or decision.reason is Reason.IDLE or decision.current > bounds_of(tick)[1]:
        return
    ticks = [*past, tick]
    broken = [seen for seen in ticks if seen.event in ("restart", "new leader", "clock step", "edit")]
    since = broken[-1] if broken else ticks[0]
    # in a dry run the present owner may have raised the count meanwhile: what was wanted at the restart still stands
    assert tick.at - since.at >= window or decision.replicas >= since.decision.current
    if tick.spec.mode is Mode.ACTIVE:
        # a schedule's minimum raises without being wanted, and what it raised goes when it ends: not below the rest
        scheduled = any(proposal.kind is Kind.BOUNDS for _, proposal in decision.proposals)
        foreign = [seen for seen in ticks if any(n.reason == "ForeignChange" for n in seen.decision.notices)]
        for seeded in (since, *foreign):
            assert tick.at - seeded.at >= window or (scheduled and decision.replicas >= seeded.decision.current)


def check_dry_run_counts_no_intentions(tick: Seen) -> None:
    """Rule 9: without a write only changes that were observed are scale events."""
    if tick.spec.mode is not Mode.ACTIVE and tick.observation.spec_replicas == tick.before.last_replicas:
        assert tick.after.scale_ups == tick.before.scale_ups
        assert tick.after.scale_downs == tick.before.scale_downs
    assert tick.decision.current == tick.observation.spec_replicas


def check_same_again(tick: Seen) -> None:
    """Rule 10: the same spec, observation and state decide the same, also after a journey through JSON."""
    state = state_from_json(json.loads(json.dumps(state_to_json(tick.before))))
    assert Engine(tick.spec).decide(tick.observation, state, tick.at) == (tick.decision, tick.after)


def check_trail(tick: Seen) -> None:
    """The trail is a chain from the present count to the decision."""
    trail = tick.decision.trail
    assert (trail[0].before, trail[-1].after) == (tick.decision.current, tick.decision.replicas)
    changes = [(stage.before, stage.after) for stage in trail if stage.name not in ("rate", "bounds")]
    assert all(isinstance(value, int) for change in changes for value in change)


def judge(ticks: list[Seen]) -> None:
    """Hold every tick against every rule."""
    for number, tick in enumerate(ticks):
        past = ticks[:number]
        check_unknown_is_not_zero(tick)
        check_zero_is_proven(tick, past)
        check_starting_is_credited(tick)
        check_guards_only_raise(tick)
        check_bounds(tick)
        check_restarts_are_patient(tick, past)
        check_dry_run_counts_no_intentions(tick)
        check_same_again(tick)
        check_trail(tick)


def tally(ticks: list[Seen], seen: Counter) -> None:
    """Count what kind of sequence this was."""
    seen["sequences"] += 1
    seen["ticks"] += len(ticks)
    moves = [(tick.decision.current, tick.decision.replicas) for tick in ticks]
    seen["lower"] += any(0 < after < before for before, after in moves)
    seen["reach zero"] += any(after == 0 < before for before, after in moves)
    seen["have stuck pods"] += any(tick.decision.fleet.stuck for tick in ticks)
    seen["are scheduled"] += any(p.kind is Kind.BOUNDS for tick in ticks for _, p in tick.decision.proposals)
    seen["raise"] += any(after > before for before, after in moves)


def test_the_rules_of_the_engine(capsys):
    """Rules 1 to 6, 9 and 10 hold at every tick of every sequence, and the sequences are worth judging."""
    seen: Counter = Counter()

    @settings(suppress_health_check=list(HealthCheck))
    @given(specs(), segments, st.integers(0, 4))
    def sequences(spec, script, count):
        ticks = World(spec, count=count).run(script)
        assert len(ticks) >= 30
        tally(ticks, seen)
        judge(ticks)

    sequences()
    with capsys.disabled():
        shares = ", ".join(
            f"{seen[key] / seen['sequences']:.0%} {key}" for key in seen if key not in ("sequences", "ticks")
        )
        print(f"\n{seen['sequences']} sequences of {seen['ticks'] / seen['sequences']:.0f} ticks: {shares}")
    if seen["sequences"] < 200:
        return  # too few for shares
    for kind in ("lower", "reach zero", "have stuck pods", "are scheduled"):
        assert seen[kind] >= 0.1 * seen["sequences"], kind


def test_more_load_never_asks_for_less():
    """Monotone: with everything else the same, more pending requests never lead to a smaller count."""

    @given(specs(), st.integers(1, 8), st.integers(0, 120), st.integers(0, 120))
    def pairs(spec, count, load, more):
        low, high = sorted((load, load + more))
        decided = [single(spec, count, pending) for pending in (low, high)]
        assert decided[0] <= decided[1]

    pairs()


def single(spec, count: int, pending: int) -> int:
    """Return the first decision for a target of ready replicas with that many pending requests."""
    world = World(spec, count=count)
    script = segments_of(pending)
    for segment in script:
        last = world.tick(segment, 1)
    return last.decision.replicas


def segments_of(pending: int) -> list:
    """Return one quiet segment after which all replicas are Ready, then one with the load."""
    calm = Segment(1, int(2 * PER_REPLICA), 0, 0.2, Quality.OK, "", "ready", "")
    return [calm, calm._replace(pending=pending)]
