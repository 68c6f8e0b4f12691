from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cron import parse_cron


def last(text, wall):
    """Return when the expression matched last, as text."""
    found = parse_cron(text).last(datetime.fromisoformat(wall))
    return found and found.isoformat(" ", "minutes")


@pytest.mark.parametrize(
    ("text", "wall", "expected"),
    [
        ("* * * * *", "2026-11-20 10:30", "2026-11-20 10:30"),
        ("0 8 * * *", "2026-11-20 10:30", "2026-11-20 08:00"),
        ("0 8 * * *", "2026-11-20 08:00", "2026-11-20 08:00"),
        ("0 8 * * *", "2026-11-20 07:59", "2026-11-19 08:00"),
        ("*/15 9-17 * * *", "2026-11-20 10:29", "2026-11-20 10:15"),
        ("*/15 9-17 * * *", "2026-11-20 20:00", "2026-11-20 17:45"),
        ("5/20 * * * *", "2026-11-20 10:30", "2026-11-20 10:25"),
        ("10-40/10 * * * *", "2026-11-20 10:05", "2026-11-20 09:40"),
        ("30 10,14 * * *", "2026-11-20 14:29", "2026-11-20 10:30"),
        ("0 8 * * 1-5", "2026-11-22 12:00", "2026-11-20 08:00"),
        ("0 8 * * MON-fri", "2026-11-22 12:00", "2026-11-20 08:00"),
        ("0 8 * * 0", "2026-11-20 12:00", "2026-11-15 08:00"),
        ("0 8 * * 7", "2026-11-20 12:00", "2026-11-15 08:00"),
        ("0 8 * * 5-7", "2026-11-22 12:00", "2026-11-22 08:00"),
        ("0 0 1 * *", "2026-11-20 12:00", "2026-11-01 00:00"),
        ("0 0 31 * *", "2026-11-20 12:00", "2026-10-31 00:00"),
        ("0 0 ? JAN ?", "2026-11-20 12:00", "2026-01-31 00:00"),
        ("0 0 29 2 *", "2026-11-20 12:00", "2024-02-29 00:00"),
        ("0 0 29 2 *", "2104-02-28 12:00", "2096-02-29 00:00"),
        ("0 0 13 * 5", "2026-11-20 12:00", "2026-11-20 00:00"),
        ("0 0 13 * 5", "2026-11-19 12:00", "2026-11-13 00:00"),
        ("0 0 1 * 1", "2026-11-20 12:00", "2026-11-16 00:00"),
        ("0 0 */2 * 1", "2026-11-20 12:00", "2026-11-19 00:00"),
        ("0 0 * * */2", "2026-11-20 12:00", "2026-11-19 00:00"),
    ],
)
def test_when_it_matched_last(text, wall, expected):
    """Lists, ranges, steps, names, both Sundays, leap days, and the two day fields together."""
    assert last(text, wall) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs five fields .* has 0"),
        ("0 8 * *", "has 4"),
        ("0 0 8 * * *", "has 6"),
        ("@daily", "has 1"),
        ("60 * * * *", "minute '60' must be made of"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day of month '0'"),
        ("* * * 13 *", "month '13'"),
        ("* * * * 8", "day of week '8'"),
        ("* * * * mond", "day of week 'mond'"),
        ("5-1 * * * *", "minute '5-1'"),
        ("*/0 * * * *", r"minute '\*/0'"),
        ("*/ * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("1.5 * * * *", "minute"),
        ("\u0663 * * * *", "minute"),
        ("0 0 30 2 *", "no day of the calendar matches"),
        ("0 0 31 4,6,9,11 ?", "no day of the calendar matches"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_field(text, says):
    """The message names the field, what stands there and what may."""
    with pytest.raises(ValueError, match=says):
        parse_cron(text)


numbers = st.tuples(st.integers(0, 59), st.integers(0, 23), st.integers(1, 31), st.integers(1, 12), st.integers(0, 7))
masks = st.lists(st.booleans(), min_size=5, max_size=5)
walls = st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")).map(
    lambda wall: wall.replace(second=0, microsecond=0)
)


@given(numbers, masks, walls)
def test_nothing_matches_between_the_last_match_and_now(values, mask, wall):
    """Against the plain definition, minute by minute for two days back."""
    text = " ".join(str(value) if kept else "*" for value, kept in zip(values, mask, strict=True))
    try:
        found = parse_cron(text).last(wall)
    except ValueError:
        assert mask[2]
        assert mask[3]
        return

    def matches(at):
        day, weekday = at.day == values[2] or not mask[2], at.isoweekday() % 7 == values[4] % 7 or not mask[4]
        fits = (day or weekday) if mask[2] and mask[4] else (day and weekday)
        plain = ((at.minute, values[0], mask[0]), (at.hour, values[1], mask[1]), (at.month, values[3], mask[3]))
        return fits and all(real == value or not kept for real, value, kept in plain)

    assert matches(found)
    at = wall
    while at > max(found, wall - timedelta(days=2)):
        assert not matches(at)
        at -= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "wall", "expected"),
    [
        ("0 8 * * *", "2026-01-12 07:59", "2026-01-12 08:00"),
        ("0 8 * * *", "2026-01-12 08:00", "2026-01-13 08:00"),
        ("*/20 9-10 * * *", "2026-01-12 09:40", "2026-01-12 10:00"),
        ("30 6 * * 1-5", "2026-01-09 07:00", "2026-01-12 06:30"),
        ("0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"),
    ],
)
def test_when_it_matches_next(text, wall, expected):
    """Strictly later, as cron's own timers are set."""
    assert parse_cron(text).next(datetime.fromisoformat(wall)) == datetime.fromisoformat(expected)
