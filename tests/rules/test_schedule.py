from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from autoscaler.engine.proposal import Kind
from autoscaler.rules.schedule import Schedule
from tests.rules.builders import answer, ask, fleet

BERLIN = "Europe/Berlin"
HOURS = Schedule.model_validate(
    {
        "timeZone": BERLIN,
        "windows": [
            {"start": "0 8 * * 1-5", "end": "0 18 * * *", "minReplicas": 4},
            {"start": "0 22 * * *", "end": "0 6 * * *", "maxReplicas": 2},
        ],
    }
)


def bounds(rule, at, zone=BERLIN, fold=0):
    """Return what the rule says at a local time: the bounds, or None."""
    now = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()
    proposal = answer(rule, of=fleet(3), now=now)
    return (proposal.replicas, proposal.most) if proposal.kind is Kind.BOUNDS else None


def nightly(start, end):
    """Return a schedule in Berlin with one window."""
    window = {"start": start, "end": end, "minReplicas": 4}
    return Schedule.model_validate({"timeZone": BERLIN, "windows": [window]})


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-20 07:59:59", None),
        ("2026-11-20 08:00", (4, None)),
        ("2026-11-20 17:59:59", (4, None)),
        ("2026-11-20 18:00", None),
        ("2026-11-21 12:00", None),
        ("2026-11-21 22:00", (0, 2)),
        ("2026-11-22 00:00", (0, 2)),
        ("2026-11-22 05:59", (0, 2)),
        ("2026-11-22 06:00", None),
    ],
)
def test_business_hours_and_nights(at, expected):
    """From start, to end, over midnight, not on Saturday; open from the start's minute, closed from the end's."""
    assert bounds(HOURS, at) == expected


def test_the_reason_names_window_times_and_zone():
    """A person at three in the morning wants to know which line of the document it was."""
    now = datetime(2026, 11, 20, 9, tzinfo=ZoneInfo(BERLIN)).timestamp()
    reason = answer(HOURS, of=fleet(3), now=now).reason
    assert reason == "window 1 is open, 0 8 * * 1-5 to 0 18 * * * in Europe/Berlin"


def test_the_first_open_window_decides():
    """An exception stands before the rule."""
    windows = [
        {"start": "0 0 24 12 *", "end": "0 0 27 12 *", "maxReplicas": 1},
        {"start": "0 8 * * *", "end": "0 18 * * *", "minReplicas": 4},
    ]
    rule = Schedule.model_validate({"windows": windows})
    assert bounds(rule, "2026-12-25 12:00", "UTC") == (0, 1)
    assert bounds(rule, "2026-12-28 12:00", "UTC") == (4, None)


@pytest.mark.parametrize(
    ("at", "expected"),
    [("2026-03-29 01:59", None), ("2026-03-29 03:00", (4, None)), ("2026-03-29 05:00", None)],
)
def test_a_start_that_the_clock_leaps_over_happens_after_the_leap(at, expected):
    """On 29 March 2026 half past two does not exist in Berlin."""
    assert bounds(nightly("30 2 * * *", "0 5 * * *"), at) == expected


def test_nothing_opens_or_closes_twice_when_the_clock_is_set_back():
    """On 25 October 2026 two o'clock comes twice in Berlin: of all minutes, one opens and one closes each window."""
    for start, end in (("30 2 * * *", "0 5 * * *"), ("0 1 * * *", "30 2 * * *"), ("10 2 * * *", "50 2 * * *")):
        rule = nightly(start, end)
        began = datetime(2026, 10, 24, 22, tzinfo=ZoneInfo("UTC"))
        states = [
            answer(rule, of=fleet(3), now=(began + timedelta(minutes=minute)).timestamp()).kind is Kind.BOUNDS
            for minute in range(8 * 60)
        ]
        assert sum(before != after for before, after in itertools.pairwise(states)) == 2
    assert bounds(nightly("30 2 * * *", "0 5 * * *"), "2026-10-25 02:30", fold=0) == (4, None)
    assert bounds(nightly("30 2 * * *", "0 5 * * *"), "2026-10-25 02:10", fold=1) == (4, None)
    assert bounds(nightly("0 3 * * *", "0 5 * * *"), "2026-10-25 02:59", fold=1) is None
    assert bounds(nightly("0 3 * * *", "0 5 * * *"), "2026-10-25 03:00") == (4, None)


def test_in_a_minute_of_both_the_end_counts():
    """Every day from eight to eight, but for Monday's end: closed until Tuesday."""
    rule = nightly("0 8 * * *", "0 8 * * 1")
    assert bounds(rule, "2026-11-22 12:00") == (4, None)
    assert bounds(rule, "2026-11-23 08:00") is None
    assert bounds(rule, "2026-11-23 20:00") is None
    assert bounds(rule, "2026-11-24 08:00") == (4, None)


def test_a_zone_keeps_its_wall_clock_through_the_year():
    """Eight in Berlin is seven o'clock UTC in winter and six in summer."""
    for day, hour in (("2026-01-20", 7), ("2026-07-20", 6)):
        assert bounds(HOURS, f"{day} {hour - 1:02}:59", "UTC") is None
        assert bounds(HOURS, f"{day} {hour:02}:00", "UTC") == (4, None)


def test_it_needs_no_signal_and_remembers_nothing():
    """The time is all it looks at, to the end of the calendar."""
    assert HOURS.needs == ()
    for now in (0.0, 1e9, 1e15):
        assert ask(HOURS, of=fleet(0), memory={}, now=now)[1] == {}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"timeZone": "Europe/Atlantis"}, "must be the name of a time zone"),
        ({"timeZone": "Europe"}, "must be the name of a time zone"),
        ({"timeZone": "../etc/passwd"}, "must be the name of a time zone"),
        ({"windows": []}, "at least 1 item"),
        ({"start": "0 8 * *"}, "has 4"),
        ({"end": "0 8 * * 1-5"}, "`start` and `end` must differ"),
        ({"minReplicas": 0}, "needs `minReplicas` above 0, `maxReplicas` or both"),
        ({"maxReplicas": 3}, r"`minReplicas` \(4\) must not be above `maxReplicas` \(3\)"),
        ({"maxReplicas": 0}, "greater than or equal to 1"),
        ({"minReplicas": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(changed, says):
    """Off is no window's business: zero is the idle timer's, which has proof."""
    window = {"start": "0 8 * * 1-5", "end": "0 18 * * *", "minReplicas": 4}
    window |= {name: value for name, value in changed.items() if name not in ("timeZone", "windows")}
    whole = {"timeZone": changed.get("timeZone", BERLIN), "windows": changed.get("windows", [window])}
    with pytest.raises(ValidationError, match=says):
        Schedule.model_validate(whole)
