"""The decided edge cases of the engine, one by one."""

from __future__ import annotations

import json

import pytest

from autoscaler.engine import (
    Kind,
    Mode,
    Notice,
    Proposal,
    Quality,
    Reason,
    Role,
    confirm_write,
    forget_history,
    state_from_json,
    state_to_json,
)
from autoscaler.engine.behavior import PolicyType, RatePolicy, Recommendation, ScaleEvent, ScalingRules, SelectPolicy
from autoscaler.engine.fleet import classify
from autoscaler.engine.spec import Fallback, OnForeignChange, Startup
from autoscaler.engine.state import Evidence, State
from tests.engine.builders import (
    NOW,
    Demand,
    Says,
    decide,
    observation,
    ready,
    seen_before,
    signal,
    signals,
    spec,
    starting,
)

IDLE = {"queueDepth": 0, "pendingRequests": 0, "completedRequests": 7, "gatewayRequests": 0}
OFF = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 1, 60.0),), SelectPolicy.DISABLED)


def idle_state(for_seconds: float, replicas: int = 1, **more) -> State:
    """Return a state whose evidence of idleness is `for_seconds` old and unbroken."""
    return seen_before(replicas, evidence=Evidence(NOW - for_seconds, NOW - 15, 7.0), **more)


# --- sizing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current", "demand", "replicas"),
    [
        (4, 4.4, 4),
        (4, 4.41, 5),
        (4, 3.6, 4),
        (4, 3.59, 4),
        (4, 3.0, 3),
        (10, 11.0, 10),
        (1, 0.0, 1),
        (3, 3.0000000001, 3),
        (10, 9.0, 10),
        (5, 3.0000000001, 3),
    ],
)
def test_demand_is_rounded_up_outside_the_tolerance(current, demand, replicas):
    """Within 10 % either way, inclusive, the present count stays; else the demand is rounded up."""
    decision, _ = decide(spec(bounds=(1, 20)), observation(current, signals=signals(queueDepth=demand)))
    assert decision.replicas == replicas


def test_the_highest_rule_wins():
    """Several rules: the highest count is taken."""
    rules = (Demand(), Says(Proposal(Kind.COUNT, 7, "seven"), role=Role.SIZE))
    decision, _ = decide(spec(*rules), observation(3, signals=signals(queueDepth=5)))
    assert (decision.replicas, decision.reason) == (7, Reason.DEMAND)


def test_without_an_opinion_the_count_stays():
    """No rule has an opinion: hold."""
    decision, _ = decide(spec(Says(Proposal(Kind.ABSTAIN, 0, "nothing"))), observation(3))
    assert (decision.replicas, decision.reason) == (3, Reason.NO_OPINION)


@pytest.mark.parametrize("quality", [quality for quality in Quality if quality not in (Quality.OK, Quality.PARTIAL)])
def test_a_sizing_signal_that_is_not_ok_blocks_a_decrease(quality):
    """Unknown is not zero: nothing is lowered, whatever another rule asks for."""
    rules = (Demand(), Says(Proposal(Kind.COUNT, 1, "one"), role=Role.SIZE))
    decision, _ = decide(spec(*rules), observation(5, signals=signals(queueDepth=quality)))
    assert (decision.replicas, decision.reason) == (5, Reason.SIGNAL_NOT_OK)


def test_a_sizing_signal_that_is_not_ok_lets_another_raise():
    """Unknown blocks a decrease, never an increase."""
    rules = (Demand(), Says(Proposal(Kind.COUNT, 8, "eight"), role=Role.SIZE))
    decision, _ = decide(spec(*rules), observation(5, signals=signals(queueDepth=Quality.ERROR)))
    assert decision.replicas == 8


@pytest.mark.parametrize(("value", "replicas"), [(8.0, 8), (2.0, 5)])
def test_a_partial_signal_may_raise_and_never_lower(value, replicas):
    """With a pod missing from the sum, what is left may raise."""
    partial = {"queueDepth": signal("queueDepth", value, Quality.PARTIAL)}
    assert decide(spec(), observation(5, signals=partial))[0].replicas == replicas


def test_a_guard_that_does_not_know_blocks_nothing():
    """A guard that is not ok abstains."""
    rules = (Demand(), Says(Proposal(Kind.ABSTAIN, 0, "NaN")))
    assert decide(spec(*rules), observation(5, signals=signals(queueDepth=2)))[0].replicas == 2


def test_a_guard_steps_up_and_never_down():
    """A guard's count raises, and is no reason to lower."""
    up = (Demand(), Says(Proposal(Kind.COUNT, 6, "breach")))
    decision, _ = decide(spec(*up), observation(5, signals=signals(queueDepth=5)))
    assert (decision.replicas, decision.reason) == (6, Reason.GUARD)
    below = (Demand(), Says(Proposal(Kind.COUNT, 4, "breach")))
    assert decide(spec(*below), observation(5, signals=signals(queueDepth=2)))[0].replicas == 2


def test_unknown_pods_block_a_decrease():
    """When the pods could not be listed, nothing is lowered."""
    seen = observation(5, (), signals=signals(queueDepth=2), replicas_quality=Quality.ERROR)
    decision, _ = decide(spec(), seen)
    assert (decision.replicas, decision.reason) == (5, Reason.SIGNAL_NOT_OK)


# --- vetoes, floors, ceilings, fallback --------------------------------------------------------------------------


def test_a_veto_forbids_a_step_down():
    """A veto holds the count, and says which rule."""
    rules = (Demand(), Says(Proposal(Kind.VETO, 0, "P99 near 2 s"), name="latency"))
    decision, _ = decide(spec(*rules), observation(5, signals=signals(queueDepth=2)))
    assert (decision.replicas, decision.reason) == (5, Reason.VETO)
    assert "latency: P99 near 2 s" in decision.explain()


def test_a_veto_that_changes_nothing_is_not_the_reason():
    """The demand asks for the present count: there is nothing to veto."""
    rules = (Demand(), Says(Proposal(Kind.VETO, 0, "near")))
    decision, _ = decide(spec(*rules), observation(5, signals=signals(queueDepth=5)))
    assert (decision.replicas, decision.reason) == (5, Reason.DEMAND)


def test_a_veto_does_not_stop_a_step_up():
    """A veto is about lowering only."""
    rules = (Demand(), Says(Proposal(Kind.VETO, 0, "near")))
    assert decide(spec(*rules), observation(5, signals=signals(queueDepth=8)))[0].replicas == 8


def test_a_ceiling_beats_a_veto_and_a_bound_beats_a_floor():
    """Veto against ceiling: bounds and ceilings win."""
    rules = (
        Demand(),
        Says(Proposal(Kind.VETO, 0, "near"), name="veto"),
        Says(Proposal(Kind.CEILING, 3, "budget"), name="ceiling"),
    )
    decision, _ = decide(spec(*rules), observation(5, signals=signals(queueDepth=2)))
    assert (decision.replicas, decision.reason) == (3, Reason.CEILING)
    floor = (Demand(), Says(Proposal(Kind.FLOOR, 9, "spare"), role=Role.SIZE))
    decision, _ = decide(spec(*floor, bounds=(1, 6)), observation(5, signals=signals(queueDepth=2)))
    assert (decision.replicas, decision.reason) == (6, Reason.MAX_REPLICAS)


def test_a_floor_raises():
    """A floor raises above what the demand asks for."""
    rules = (Demand(), Says(Proposal(Kind.FLOOR, 7, "spare"), role=Role.SIZE))
    decision, _ = decide(spec(*rules), observation(5, signals=signals(queueDepth=2)))
    assert (decision.replicas, decision.reason) == (7, Reason.FLOOR)


@pytest.mark.parametrize(("blind_for", "replicas"), [(59.0, 2), (60.0, 4)])
def test_the_fallback_floor_waits_for_all_sizing_signals_to_be_unknown(blind_for, replicas):
    """`fallback.replicas` is a floor once every sizing signal has been unknown for its time."""
    given = spec(fallback=Fallback(4, 60.0))
    state = seen_before(2, unsized_since=NOW - blind_for)
    seen = observation(2, signals=signals(queueDepth=Quality.ERROR))
    decision, after = decide(given, seen, state)
    assert decision.replicas == replicas
    assert after.unsized_since == NOW - blind_for
    _, healed = decide(given, observation(2, signals=signals(queueDepth=2)), after)
    assert healed.unsized_since is None


def test_the_fallback_floor_is_not_used_while_one_sizing_rule_knows():
    """One sizing rule that knows is enough to go on."""
    rules = (Demand(), Says(Proposal(Kind.COUNT, 2, "two"), role=Role.SIZE))
    state = seen_before(2, unsized_since=NOW - 600)
    seen = observation(2, signals=signals(queueDepth=Quality.ERROR))
    assert decide(spec(*rules, fallback=Fallback(4, 60.0)), seen, state)[0].replicas == 2


# --- bounds, rates, windows --------------------------------------------------------------------------------------


def test_bounds_hold_at_once():
    """A raised minimum and a lowered maximum take hold at the next decision, windows or not."""
    slow = ScalingRules(3600.0, (RatePolicy(PolicyType.PERCENT, 100, 15.0),))
    state = seen_before(5, recommendations=(Recommendation(NOW - 15, 5),))
    low = decide(
        spec(bounds=(7, 9), scale_up=slow, scale_down=slow), observation(5, signals=signals(queueDepth=5)), state
    )
    assert (low[0].replicas, low[0].reason) == (7, Reason.MIN_REPLICAS)
    high = decide(spec(bounds=(1, 3), scale_down=slow), observation(5, signals=signals(queueDepth=5)), state)
    assert (high[0].replicas, high[0].reason) == (3, Reason.MAX_REPLICAS)


def test_a_lowered_maximum_is_reached_at_the_down_rate():
    """Max lowered below the count: step down at the down rate, bounds reported as the reason."""
    rate = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 2, 60.0),))
    decision, _ = decide(spec(bounds=(1, 3), scale_down=rate), observation(9, signals=signals(queueDepth=9)))
    assert (decision.replicas, decision.reason) == (7, Reason.MAX_REPLICAS)


def test_a_lowered_maximum_beats_a_disabled_direction():
    """A bound beats all: with the way down disabled there is no rate to wait for."""
    decision, _ = decide(spec(bounds=(1, 3), scale_down=OFF), observation(9, signals=signals(queueDepth=9)))
    assert (decision.replicas, decision.reason) == (3, Reason.MAX_REPLICAS)


def test_the_down_window_holds_the_most_wanted():
    """Nothing is lowered below what was wanted within the window."""
    slow = ScalingRules(300.0, (RatePolicy(PolicyType.PERCENT, 100, 15.0),))
    state = seen_before(8, recommendations=(Recommendation(NOW - 200, 6), Recommendation(NOW - 100, 4)))
    decision, _ = decide(spec(scale_down=slow), observation(8, signals=signals(queueDepth=2)), state)
    assert (decision.replicas, decision.reason) == (6, Reason.STABILIZED)


def test_the_rate_limits_both_ways():
    """Rate policies bind after the windows."""
    rate = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 2, 60.0),))
    up, _ = decide(spec(scale_up=rate), observation(4, signals=signals(queueDepth=9)))
    assert (up.replicas, up.reason) == (6, Reason.RATE_LIMITED)
    down, _ = decide(spec(scale_down=rate), observation(8, signals=signals(queueDepth=1)))
    assert (down.replicas, down.reason) == (6, Reason.RATE_LIMITED)


def test_rates_count_confirmed_writes_only():
    """A decision that was not written leaves no scale event; a confirmed one does."""
    rate = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 2, 60.0),))
    given = spec(scale_up=rate)
    seen = observation(4, signals=signals(queueDepth=9))
    decision, state = decide(given, seen)
    again, _ = decide(given, seen, state, NOW + 15)
    assert (decision.replicas, again.replicas) == (6, 6)
    written = confirm_write(state, given, 4, 6, NOW)
    grown = observation(6, signals=signals(queueDepth=9))
    assert decide(given, grown, written, NOW + 15)[0].replicas == 6
    assert decide(given, grown, written._replace(last_at=NOW + 45), NOW + 60)[0].replicas == 8
    assert confirm_write(state, given, 6, 4, NOW).scale_downs == (ScaleEvent(NOW, 2),)


# --- history: restarts, edits, changes by others -----------------------------------------------------------------

SLOW = ScalingRules(300.0, (RatePolicy(PolicyType.PERCENT, 100, 15.0),))
LOW = {"signals": signals(queueDepth=2)}


def test_a_restart_never_lowers_before_its_window_is_full():
    """Without a state the history is seeded with the present count."""
    given = spec(scale_down=SLOW)
    decision, state = decide(given, observation(6, **LOW), State())
    assert decision.replicas == 6
    for passed in range(15, 300, 15):
        decision, state = decide(given, observation(6, **LOW), state, NOW + passed)
        assert decision.replicas == 6, passed
    assert decide(given, observation(6, **LOW), state, NOW + 300)[0].replicas == 2


def test_a_restored_state_goes_on_where_it_stopped():
    """A state written down as JSON and read back decides the same."""
    given = spec(scale_down=SLOW)
    full = tuple(Recommendation(NOW - age, 2) for age in range(300, 0, -15))
    state = seen_before(6, recommendations=full)
    restored = state_from_json(json.loads(json.dumps(state_to_json(state))))
    assert restored == state
    assert decide(given, observation(6, **LOW), restored)[0].replicas == 2


@pytest.mark.parametrize(("silent_for", "replicas"), [(45.0, 2), (45.1, 6)])
def test_a_long_pause_is_a_restart(silent_for, replicas):
    """After more than three intervals without a decision nothing is known of the time between."""
    full = tuple(Recommendation(NOW - age, 2) for age in range(300, 0, -15))
    state = seen_before(6, recommendations=full)._replace(last_at=NOW - silent_for)
    assert decide(spec(scale_down=SLOW), observation(6, **LOW), state)[0].replicas == replicas


def test_forgetting_the_history_is_a_restart():
    """A clock that stepped: nothing is lowered for one window, and nothing is idle."""
    state = forget_history(
        idle_state(9999, recommendations=(Recommendation(NOW - 15, 2),), scale_ups=(ScaleEvent(NOW, 1),))
    )
    assert (state.recommendations, state.evidence.idle_since, len(state.scale_ups)) == ((), None, 1)
    assert decide(spec(scale_down=SLOW), observation(6, **LOW), state)[0].replicas == 6


def test_edited_rules_reseed_the_history():
    """Rules edited: the history starts again with the present count."""
    full = tuple(Recommendation(NOW - age, 2) for age in range(300, 0, -15))
    state = seen_before(6, recommendations=full)
    decision, after = decide(spec(scale_down=SLOW, fingerprint="new"), observation(6, **LOW), state)
    assert decision.replicas == 6
    assert after.fingerprint == "new"
    assert [entry.replicas for entry in after.recommendations] == [6, 2]


def test_a_foreign_change_reseeds_the_history_and_is_reported():
    """Count changed behind us, `Override`: the new count is the history, and the change counts for the rates."""
    full = tuple(Recommendation(NOW - age, 2) for age in range(300, 0, -15))
    state = seen_before(6, recommendations=full)
    seen = observation(9, **LOW, other_writers=("HorizontalPodAutoscaler/llama",))
    decision, after = decide(spec(scale_down=SLOW), seen, state)
    assert decision.replicas == 9
    assert after.scale_ups == (ScaleEvent(NOW, 3),)
    assert [notice.reason for notice in decision.notices] == ["ForeignChange"]
    assert "from 6 to 9 (also writing: HorizontalPodAutoscaler/llama)" in decision.notices[0].message


def test_a_foreign_change_is_held_where_the_policy_says_so():
    """`Hold`: the count that somebody set is left alone for its time, then decided on again."""
    given = spec(on_foreign_change=OnForeignChange.HOLD, foreign_hold_seconds=60.0)
    high = {"signals": signals(queueDepth=9)}
    decision, state = decide(given, observation(3, **high), seen_before(6))
    assert (decision.replicas, decision.reason) == (3, Reason.FOREIGN_HOLD)
    for passed in (15, 30, 45):
        decision, state = decide(given, observation(3, **high), state, NOW + passed)
        assert decision.replicas == 3
    assert decide(given, observation(3, **high), state, NOW + 60)[0].replicas == 7  # 9, within 4 pods per 15 s


def test_dry_run_expects_others_to_write():
    """Dry run: windows run on through changes by the present owner, which are not reported as conflicts."""
    full = tuple(Recommendation(NOW - age, 2) for age in range(300, 0, -15))
    state = seen_before(6, recommendations=full)
    decision, after = decide(spec(mode=Mode.DRY_RUN, scale_down=SLOW), observation(9, **LOW), state)
    assert (decision.current, decision.replicas, decision.notices) == (9, 2, ())
    assert after.scale_ups == (ScaleEvent(NOW, 3),)


def test_dry_run_starts_its_window_when_somebody_wakes_the_target():
    """A sleeping target has no history: woken by its present owner, it is not told to sleep again at once."""
    given = spec(mode=Mode.DRY_RUN, bounds=(0, 10), idle_after=900.0, scale_down=SLOW)
    _, asleep = decide(given, observation(0, (), signals=signals(gatewayRequests=0)), seen_before(0))
    woken, _ = decide(given, observation(4, **LOW), asleep, NOW + 15)
    assert woken.replicas == 4


def test_paused_holds_and_keeps_no_grudge():
    """Paused: the count stays, and after the pause nothing is lowered for a window."""
    given = spec(mode=Mode.PAUSED, scale_down=SLOW)
    decision, state = decide(
        given, observation(6, **LOW), seen_before(6, recommendations=(Recommendation(NOW - 15, 2),))
    )
    assert (decision.replicas, decision.reason) == (6, Reason.PAUSED)
    assert decide(spec(scale_down=SLOW), observation(6, **LOW), state, NOW + 15)[0].replicas == 6


# --- replicas that start, and replicas that do not ---------------------------------------------------------------


def test_starting_replicas_are_capacity_on_its_way():
    """Load that starting replicas will absorb asks for nothing more."""
    fleet = (*(ready(f"r{n}") for n in range(3)), *(starting(f"s{n}") for n in range(3)))
    decision, _ = decide(spec(), observation(6, fleet, signals=signals(queueDepth=6)))
    assert decision.replicas == 6


@pytest.mark.parametrize(
    ("replica", "kind"),
    [
        (ready("a"), "ready"),
        (starting("a"), "starting"),
        (starting("a", phase="Pending", reason="Unschedulable"), "unschedulable"),
        (starting("a", reason="CrashLoopBackOff"), "crashing"),
        (starting("a", reason="ImagePullBackOff"), "crashing"),
        (starting("a", age=599.0), "starting"),
        (starting("a", age=901.0), "slow"),
        (ready("a")._replace(terminating=True), "terminating"),
        (starting("a")._replace(phase="Failed"), ""),
        (ready("a", age=5000.0)._replace(ready=False, ready_changed_at=NOW - 20), "starting"),
    ],
)
def test_classification(replica, kind):
    """The engine, not the source, says what a pod means for capacity."""
    fleet = classify(observation(1, (replica,)), 300.0, Startup(), NOW)
    names = ("ready", "starting", "unschedulable", "crashing", "slow", "terminating")
    assert {name: int(name == kind) for name in names} == {name: getattr(fleet, name) for name in names}


def test_the_start_up_time_is_learned():
    """A replica that turns Ready teaches how long a start takes; one that was restarted teaches nothing."""
    fleet = (ready("old", 5000.0, 70.0), ready("new", 400.0, 90.0), ready("again", 400.0, 380.0, restarts=2))
    _, state = decide(spec(), observation(3, fleet), seen_before(3, ready_names=("old",)))
    assert state.startups_seconds == (90.0,)
    assert state.ready_names == ("old", "new", "again")
    _, state = decide(spec(), observation(3, fleet), state, NOW + 15)
    assert state.startups_seconds == (90.0,)


def test_a_learned_start_up_decides_when_a_replica_is_slow():
    """Slow is three times the learned start-up time, and never less than ten minutes."""
    slow_starter = starting("a", age=1000.0)
    assert classify(observation(1, (slow_starter,)), 100.0, Startup(), NOW).slow == 1
    assert classify(observation(1, (slow_starter,)), 400.0, Startup(), NOW).starting == 1


def test_unschedulable_replicas_get_one_probe_per_back_off():
    """Never beyond the present spec but for one probe, after 1, 2, 4, 8, 16 minutes and then every 16."""
    given, probes, replicas, state = spec(bounds=(1, 40)), [], 6, seen_before(6)
    for passed in range(0, 4000, 15):
        fleet = (
            *(ready(f"r{n}") for n in range(4)),
            *(starting(f"u{n}", reason="Unschedulable") for n in range(replicas - 4)),
        )
        seen = observation(replicas, fleet, signals=signals(NOW + passed, queueDepth=30))
        decision, state = decide(given, seen, state, NOW + passed)
        if decision.replicas != replicas:
            assert decision.replicas == replicas + 1
            state = confirm_write(state, given, replicas, decision.replicas, NOW + passed)
            replicas = decision.replicas
            probes.append(passed)
    assert probes == [60, 180, 420, 900, 1860, 2820, 3780]


def test_the_back_off_ends_when_nothing_is_stuck():
    """Once all replicas run, the next trouble starts with the first pause again."""
    _, state = decide(
        spec(), observation(3, signals=signals(queueDepth=3)), seen_before(3, backoff_seconds=480, probe_at=NOW + 400)
    )
    assert (state.backoff_seconds, state.probe_at) == (0.0, 0.0)


def test_a_crash_loop_gets_one_replacement():
    """One of many crash-loops: one replica more than the demand, again and again the same one."""
    given = spec(bounds=(1, 20))
    fleet = (*(ready(f"r{n}") for n in range(5)), starting("c", reason="CrashLoopBackOff"))
    decision, state = decide(given, observation(6, fleet, signals=signals(queueDepth=6)))
    assert (decision.replicas, decision.reason) == (7, Reason.STUCK)
    assert [notice.reason for notice in decision.notices] == ["ReplicasStuck"]
    state = confirm_write(state, given, 6, 7, NOW)
    seen = observation(7, (*fleet, starting("s")), signals=signals(queueDepth=7.4))
    assert decide(given, seen, state, NOW + 15)[0].replicas == 8


def test_a_fleet_that_mostly_crashes_is_not_fed():
    """Half or more crash-looping: more of the same would crash too, so asking backs off."""
    fleet = (ready("r"), *(starting(f"c{n}", reason="CrashLoopBackOff") for n in range(5)))
    decision, _ = decide(spec(bounds=(1, 20)), observation(6, fleet, signals=signals(queueDepth=12)))
    assert decision.replicas == 6


def test_stuck_replicas_do_not_stop_a_step_down():
    """What is not needed goes, stuck or not."""
    fleet = (*(ready(f"r{n}") for n in range(4)), *(starting(f"u{n}", reason="Unschedulable") for n in range(4)))
    assert decide(spec(), observation(8, fleet, signals=signals(queueDepth=3)))[0].replicas == 3


def test_stuck_replicas_that_are_not_needed_go():
    """Less is wanted than asked for, though more than serves: down to what is wanted, and no probe."""
    fleet = (*(ready(f"r{n}") for n in range(4)), *(starting(f"u{n}", reason="Unschedulable") for n in range(4)))
    state = seen_before(8, backoff_seconds=60.0, probe_at=NOW - 1)
    assert decide(spec(), observation(8, fleet, signals=signals(queueDepth=6)), state)[0].replicas == 6


def test_a_rolling_update_lowers_nothing_and_backs_off_from_nothing():
    """Mid-rollout nothing is lowered, and surge pods never start the back-off."""
    fleet = (*(ready(f"o{n}") for n in range(5)), starting("n", revision="r2", reason="Unschedulable"))
    low, _ = decide(spec(), observation(5, fleet, signals=signals(queueDepth=2)))
    assert (low.replicas, low.reason) == (5, Reason.ROLLOUT)
    high, state = decide(spec(), observation(5, fleet, signals=signals(queueDepth=8)))
    assert (high.replicas, state.backoff_seconds) == (8, 0.0)
    assert high.fleet.capacity == 5


# --- zero --------------------------------------------------------------------------------------------------------

ZERO = {"bounds": (0, 10), "idle_after": 900.0}


@pytest.mark.parametrize(("idle_for", "replicas"), [(899.0, 1), (900.0, 0)])
def test_the_idle_timer_alone_takes_the_last_replica(idle_for, replicas):
    """1 → 0 by the timer, whatever the down window: else 15 minutes become 20."""
    state = idle_state(idle_for, recommendations=(Recommendation(NOW - 15, 1),))
    decision, _ = decide(spec(**ZERO, scale_down=SLOW), observation(1, signals=signals(**IDLE)), state)
    assert decision.replicas == replicas
    assert (decision.reason is Reason.IDLE) == (replicas == 0)


def test_only_the_last_replica_goes_by_the_timer():
    """N → 1 is the windows' business: from three, idle for long, it goes to one first."""
    decision, state = decide(spec(**ZERO), observation(3, signals=signals(**IDLE)), idle_state(9999, 3))
    assert decision.replicas == 1
    state = confirm_write(state, spec(**ZERO), 3, 1, NOW)
    assert decide(spec(**ZERO), observation(1, signals=signals(NOW + 15, **IDLE)), state, NOW + 15)[0].replicas == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"pendingRequests": 1},
        {"pendingRequests": Quality.ERROR},
        {"pendingRequests": Quality.NO_PODS},
        {"completedRequests": 8},
        {"completedRequests": 6},
        {"completedRequests": Quality.STALE},
        {"gatewayRequests": 1},
        {"gatewayRequests": Quality.EMPTY},
        {"queueDepth": Quality.ERROR},
        {"queueDepth": 2},
    ],
    ids=str,
)
def test_zero_needs_every_piece_of_evidence(broken):
    """A request in flight, a counter that moved, a signal that is not ok: any of them keeps the last replica."""
    seen = observation(1, signals=signals(**{**IDLE, **broken}))
    assert decide(spec(**ZERO), seen, idle_state(9999))[0].replicas >= 1


@pytest.mark.parametrize(("missing"), ["pendingRequests", "completedRequests", "gatewayRequests"])
def test_zero_needs_every_signal(missing):
    """A signal that is not even measured is no evidence."""
    present = {name: value for name, value in IDLE.items() if name != missing}
    assert decide(spec(**ZERO), observation(1, signals=signals(**present)), idle_state(9999))[0].replicas == 1


@pytest.mark.parametrize(("age", "replicas"), [(30.0, 0), (30.1, 1)])
def test_old_samples_prove_nothing(age, replicas):
    """Evidence older than two intervals is none."""
    seen = observation(1, signals={**signals(**IDLE), "gatewayRequests": signal("gatewayRequests", 0, at=NOW - age)})
    assert decide(spec(**ZERO), seen, idle_state(9999))[0].replicas == replicas


@pytest.mark.parametrize(("gap", "since"), [(30.0, NOW - 9999), (30.1, NOW)])
def test_a_gap_between_samples_restarts_the_timer(gap, since):
    """No scrape gap longer than two intervals."""
    state = seen_before(1, evidence=Evidence(NOW - 9999, NOW - gap, 7.0))
    _, after = decide(spec(**ZERO), observation(1, signals=signals(**IDLE)), state)
    assert after.evidence.idle_since == since


@pytest.mark.parametrize(
    "replicas",
    [
        (),
        (starting("a"),),
        (ready("a"), starting("b")),
        (ready("a"), starting("b", reason="Unschedulable")),
        (ready("a"), ready("b", revision="r2")),
    ],
    ids=["none", "starting", "one starting", "one stuck", "rollout"],
)
def test_never_to_zero_while_anything_is_on_its_way(replicas):
    """Zero needs a replica that is Ready, and none that is starting, stuck or of another revision."""
    seen = observation(1, replicas, signals=signals(**IDLE))
    assert decide(spec(**ZERO), seen, idle_state(9999))[0].replicas == 1


def test_the_idle_clock_starts_at_ready():
    """Woken, then nothing served: the clock starts again when the replica is Ready."""
    _, waiting = decide(spec(**ZERO), observation(1, (starting("a"),), signals=signals(**IDLE)), idle_state(9999))
    assert waiting.evidence.idle_since is None
    _, up = decide(spec(**ZERO), observation(1, signals=signals(NOW + 15, **IDLE)), waiting, NOW + 15)
    assert up.evidence.idle_since == NOW + 15


def test_a_completion_between_samples_restarts_the_timer():
    """One short request between two scrapes: the gauges saw nothing, the counter did."""
    _, after = decide(
        spec(**ZERO), observation(1, signals=signals(**{**IDLE, "completedRequests": 8})), idle_state(800)
    )
    assert (after.evidence.idle_since, after.evidence.completed) == (NOW, 8)


def test_zero_is_allowed_only_if_bound_and_policy_say_so():
    """With a minimum of one, or without scaleToZero, the last replica stays."""
    seen = observation(1, signals=signals(**IDLE))
    assert decide(spec(bounds=(1, 10), idle_after=900.0), seen, idle_state(9999))[0].replicas == 1
    assert decide(spec(bounds=(0, 10)), seen, idle_state(9999))[0].replicas == 1


@pytest.mark.parametrize("held_up", [Says(Proposal(Kind.FLOOR, 1, "spare"), role=Role.SIZE)])
def test_a_floor_keeps_the_last_replica(held_up):
    """A floor of one is one."""
    assert (
        decide(spec(Demand(), held_up, **ZERO), observation(1, signals=signals(**IDLE)), idle_state(9999))[0].replicas
        == 1
    )


@pytest.mark.parametrize(("held", "replicas"), [(0.0, 0), (1.0, 1), (25.0, 2), (500.0, 4)])
def test_held_requests_wake(held, replicas):
    """0 → N: ceil(gateway / target), at least 1, within the up rate of 4 pods per 15 s, no tolerance."""
    given = spec(**ZERO, held_per_replica=24.0)
    decision, _ = decide(given, observation(0, (), signals=signals(gatewayRequests=held, queueDepth=Quality.NO_PODS)))
    assert decision.replicas == replicas
    assert decision.reason is {0: Reason.ASLEEP, 4: Reason.RATE_LIMITED}.get(replicas, Reason.WAKE)


def test_a_wake_is_not_held_by_the_up_window():
    """A request that waits at the gateway is not asked to wait for a window."""
    slow = ScalingRules(600.0, (RatePolicy(PolicyType.PODS, 4, 15.0),))
    seen = observation(0, (), signals=signals(gatewayRequests=1))
    assert (
        decide(spec(**ZERO, scale_up=slow), seen, seen_before(0, recommendations=(Recommendation(NOW - 15, 0),)))[
            0
        ].replicas
        == 1
    )


def test_a_wake_wins_at_least_one_replica_from_the_rates():
    """At least 1, even when the rate allows none; but not where the way up is disabled."""
    seen = observation(0, (), signals=signals(gatewayRequests=9))
    spent = seen_before(0, scale_ups=(ScaleEvent(NOW - 1, 9),))
    assert decide(spec(**ZERO), seen, spent)[0].replicas == 1
    assert decide(spec(**ZERO, scale_up=OFF), seen)[0].replicas == 0


@pytest.mark.parametrize(("blind_for", "replicas"), [(119.0, 0), (120.0, 1)])
def test_blind_at_zero_wakes_one(blind_for, replicas):
    """At 0 with the wake signal not ok: raise to 1 after two minutes blind, with an Event."""
    seen = observation(0, (), signals=signals(gatewayRequests=Quality.ERROR))
    decision, state = decide(spec(**ZERO), seen, seen_before(0, blind_since=NOW - blind_for))
    assert decision.replicas == replicas
    assert bool(replicas) == (decision.reason is Reason.BLIND_WAKE) == bool(decision.notices)
    assert state.blind_since == NOW - blind_for


def test_blindness_starts_with_the_first_bad_answer():
    """The two minutes start when the signal breaks, and end when it is back."""
    _, state = decide(spec(**ZERO), observation(0, (), signals=signals(gatewayRequests=Quality.ERROR)))
    assert state.blind_since == NOW
    _, state = decide(spec(**ZERO), observation(0, (), signals=signals(NOW + 15, gatewayRequests=0)), state, NOW + 15)
    assert state.blind_since is None


def test_while_nothing_is_ready_the_gateway_is_the_demand():
    """Woken with one replica starting: what the gateway holds goes on asking for more."""
    given = spec(**ZERO, held_per_replica=10.0)
    seen = observation(1, (starting("a"),), signals=signals(gatewayRequests=35, queueDepth=Quality.NO_PODS))
    assert decide(given, seen)[0].replicas == 4
    served = observation(1, signals=signals(gatewayRequests=35, queueDepth=1))
    assert decide(given, served)[0].replicas == 1


def test_set_to_zero_by_hand_is_off():
    """At 0 with min ≥ 1: off, as with an HPA, until raised by hand."""
    high = signals(queueDepth=9, gatewayRequests=9)
    decision, state = decide(spec(), observation(0, (), signals=high), seen_before(3))
    assert (decision.replicas, decision.reason) == (0, Reason.OFF)
    raised, _ = decide(spec(), observation(1, signals=high), state, NOW + 15)
    assert raised.replicas == 4  # the hand's own step counts for the rate: 4 pods per 15 s from zero


def test_a_stream_that_never_ends_is_reported():
    """Requests in flight for an hour and none completed: an Event, for zero is out of reach."""
    stuck = {**IDLE, "pendingRequests": 1}
    _, state = decide(spec(**ZERO), observation(1, signals=signals(**stuck)), idle_state(10))
    assert state.evidence.stalled_since == NOW
    later = NOW + 3600
    state = state._replace(last_at=later - 15)
    decision, _ = decide(spec(**ZERO), observation(1, signals=signals(later, **stuck)), state, later)
    assert [notice.reason for notice in decision.notices] == ["StreamStalled"]
    moving = observation(1, signals=signals(later, **{**stuck, "completedRequests": 8}))
    assert decide(spec(**ZERO), moving, state, later)[1].evidence.stalled_since is None


# --- the decision itself -----------------------------------------------------------------------------------------


def test_the_trail_is_a_chain():
    """Each stage takes what the one before gave, from the present count to the decision."""
    decision, _ = decide(spec(**ZERO), observation(3, signals=signals(**{**IDLE, "queueDepth": 30})))
    assert decision.trail[0].before == decision.current
    assert decision.trail[-1].after == decision.replicas
    names = [stage.name for stage in decision.trail]
    assert names == ["history", "size", "credit", "stabilize", "rate", "bounds", "idle"]
    assert all(stage.why for stage in decision.trail)
    assert (decision.direction, decision.at, decision.target) == ("up", NOW, "inference/llama-8b")


def test_memory_is_kept_by_name_and_dropped_with_its_rule():
    """A rule gets back what it returned; a rule that is gone leaves nothing behind."""
    rule = Says(Proposal(Kind.ABSTAIN, 0, "-", notices=(Notice("A", "b"),)), name="counts")
    decision, state = decide(spec(rule), observation(1))
    assert decision.notices == (Notice("A", "b"),)
    _, state = decide(spec(rule), observation(1), state, NOW + 15)
    assert state.memories == {"counts": {"asked": 2}}
    assert decide(spec(), observation(1), state, NOW + 30)[1].memories == {}


# --- bounds that move ------------------------------------------------------------------------------------------------


def between(least: int, most: int | None, name: str = "schedule") -> Says:
    """Return a rule that moves the bounds."""
    return Says(Proposal(Kind.BOUNDS, least, "business hours", most=most), name)


def test_a_schedule_raises_at_once_and_says_so():
    """A minimum by schedule beats windows and rates, as the document's own does; the trail names rule and bounds."""
    decision, _ = decide(spec(Demand(), between(6, None)), observation(1, signals=signals(queueDepth=1)))
    assert (decision.replicas, decision.reason) == (6, Reason.MIN_REPLICAS)
    assert [stage.why for stage in decision.trail if stage.name == "schedule"] == ["6 to 10: schedule: business hours"]
    assert [stage.why for stage in decision.trail if stage.name == "bounds"] == ["6 to 10"]


def test_a_schedule_lowers_within_the_down_rate():
    """A maximum below the present count is reached as fast as the down policies allow, whatever the rules ask for."""
    slow = ScalingRules(300.0, (RatePolicy(PolicyType.PODS, 1, 60.0),))
    given = spec(Demand(), between(0, 2), scale_down=slow)
    decision, _ = decide(given, observation(6, signals=signals(queueDepth=9)))
    assert (decision.replicas, decision.reason) == (5, Reason.MAX_REPLICAS)


@pytest.mark.parametrize(
    ("moved", "bounds"),
    [
        ([(4, None)], "4 to 10"),
        ([(0, 3)], "2 to 3"),
        ([(0, None)], "2 to 10"),
        ([(20, None)], "10 to 10"),
        ([(0, 1)], "2 to 2"),
        ([(3, 8), (5, None)], "5 to 8"),
        ([(3, 4), (6, None)], "4 to 4"),
        ([(8, 5)], "5 to 5"),
    ],
)
def test_bounds_intersect_and_never_leave_the_documents(moved, bounds):
    """Document and schedule intersect, one schedule after the other; what lies outside gives the nearest end."""
    rules = [between(*pair, name=f"schedule {number}") for number, pair in enumerate(moved)]
    decision, _ = decide(spec(Demand(), *rules, bounds=(2, 10)), observation(2, signals=signals(queueDepth=2)))
    (why,) = [stage.why for stage in decision.trail if stage.name == "schedule"]
    assert why.startswith(f"{bounds}: schedule 0: business hours")


def test_a_schedule_wakes_what_sleeps():
    """At zero, a minimum by schedule is reached at once, beyond the up rate and without a wake signal."""
    limited = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 1, 60.0),))
    given = spec(Demand(), between(3, None), bounds=(0, 10), idle_after=900.0, scale_up=limited)
    decision, _ = decide(given, observation(0, (), signals=signals(gatewayRequests=0)))
    assert (decision.replicas, decision.reason) == (3, Reason.MIN_REPLICAS)
    assert "at least 3 by schedule" in decision.trail[-2].why


def test_held_requests_wake_no_more_than_the_schedule_allows():
    """Twenty held requests, and a maximum of 2 by schedule."""
    fast = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 50, 15.0),))
    given = spec(Demand(), between(0, 2), bounds=(0, 10), idle_after=900.0, scale_up=fast)
    decision, _ = decide(given, observation(0, (), signals=signals(gatewayRequests=20)))
    assert decision.replicas == 2


def test_what_was_switched_off_by_hand_stays_off():
    """Zero by hand with a minimum in the document: no schedule raises it."""
    decision, _ = decide(spec(Demand(), between(3, None)), observation(0, ()))
    assert (decision.replicas, decision.reason) == (0, Reason.OFF)


def test_nothing_sleeps_while_a_schedule_keeps_it_awake():
    """Proof of idleness counts on, and takes effect when the minimum is 0 again."""
    quiet = {"signals": signals(queueDepth=0, pendingRequests=0, completedRequests=5, gatewayRequests=0)}
    state = seen_before(1, evidence=Evidence(NOW - 2000, NOW - 15, 5.0))
    kept, _ = decide(spec(between(1, None), bounds=(0, 10), idle_after=900.0), observation(1, **quiet), state)
    assert kept.replicas == 1
    freed, _ = decide(spec(between(0, None), bounds=(0, 10), idle_after=900.0), observation(1, **quiet), state)
    assert (freed.replicas, freed.reason) == (0, Reason.IDLE)


@pytest.mark.parametrize(
    ("moved", "queue", "asked"),
    [((6, None), 2, 2), ((0, 3), 8, 8), ((6, None), 20, 10), ((6, None), 0, 1), ((6, None), Quality.ERROR, 2)],
)
def test_what_the_policy_asks_for_is_known_whatever_the_bounds(moved, queue, asked):
    """The next tick's rules see the count within the document's own bounds; what holds a raised count is no demand."""
    given = spec(Demand(), between(*moved))
    state = seen_before(6, asked_replicas=2)
    _, after = decide(given, observation(6, signals=signals(queueDepth=queue)), state)
    assert after.asked_replicas == asked


def test_without_moved_bounds_the_policy_asks_for_what_is_decided():
    """Rates and windows included."""
    slow = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 1, 60.0),))
    decision, after = decide(spec(Demand(), scale_up=slow), observation(2, signals=signals(queueDepth=9)))
    assert (decision.replicas, after.asked_replicas) == (3, 3)
    again, _ = decide(spec(Demand()), observation(3, signals=signals(queueDepth=9)), after)
    assert again.fleet.asked_replicas == 3


class Listens(Says):
    """An adviser that proposes nothing and remembers whom it heard."""

    def advise(self, observation, fleet, heard, memory, now):
        return self.proposal, {"heard": ",".join(f"{name}={proposal.replicas:g}" for name, _, proposal in heard)}


def test_advisers_are_asked_last_and_hear_the_others():
    """Wherever it stands in the policy; its own words come last among the proposals, and it sizes nothing."""
    adviser = Listens(Proposal(Kind.ABSTAIN, 0, "listening", blocks_decrease=True), "listens", Role.ADVISE)
    given = spec(adviser, Demand(), Says(Proposal(Kind.FLOOR, 2, ""), "least"))
    decision, state = decide(given, observation(5, signals=signals(queueDepth=3)))
    assert state.memories["listens"] == {"heard": "demand=3,least=2"}
    assert [name for name, _ in decision.proposals] == ["demand", "least", "listens"]
    assert decision.replicas == 3
    alone, _ = decide(spec(adviser), observation(5))
    assert (alone.replicas, alone.reason) == (5, Reason.NO_OPINION)
