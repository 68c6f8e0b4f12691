"""Cron expressions on the wall clock of a time zone: when they matched last, and when they match next.

Five fields: minute, hour, day of month, month, day of week; `*`, `?`, lists, ranges, steps and English names; 0 and 7
are Sunday. As with robfig/cron v3, which CronJobs and KEDA use, a day must match both day fields, unless both are
restricted: then either will do; and `*/2` restricts.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_HORIZON_DAYS = 9 * 366
"""29 February is at most eight years away."""


class _Field(NamedTuple):
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()
    first: int = 0
    """The number of the first word."""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of week", 0, 7, _DAYS, 0),
)


class Cron(NamedTuple):
    """What an expression matches."""

    minutes: tuple[int, ...]
    """Descending, as the hours are."""
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either: bool
    """Both day fields are restricted, and one of them is enough."""

    def last(self, wall: datetime) -> datetime | None:
        """Return the newest minute at or before `wall`, a time without a zone, that matches; None in nine years."""
        if self._on(wall.date()) and (found := self._until(wall.time())) is not None:
            return datetime.combine(wall.date(), found)
        newest = time(self.hours[0], self.minutes[0])
        for days in range(1, _HORIZON_DAYS):
            day = wall.date() - timedelta(days)
            if self._on(day):
                return datetime.combine(day, newest)
        return None

    def next(self, wall: datetime) -> datetime | None:
        """Return the first minute after `wall`, a time without a zone, that matches; None in nine years."""
        if self._on(wall.date()) and (found := self._after(wall.time())) is not None:
            return datetime.combine(wall.date(), found)
        first = time(self.hours[-1], self.minutes[-1])
        for days in range(1, _HORIZON_DAYS):
            day = wall.date() + timedelta(days)
            if self._on(day):
                return datetime.combine(day, first)
        return None

    def _on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either else by_date and by_weekday

    def _until(self, wall: time) -> time | None:
        """Return the newest time of day at or before `wall`."""
        for hour in self.hours:
            if hour < wall.hour:
                return time(hour, self.minutes[0])
            if hour == wall.hour:
                for minute in self.minutes:
                    if minute <= wall.minute:
                        return time(hour, minute)
        return None

    def _after(self, wall: time) -> time | None:
        """Return the first time of day after `wall`, to the minute."""
        later = (time(hour, minute) for hour in reversed(self.hours) for minute in reversed(self.minutes))
        return next((found for found in later if (found.hour, found.minute) > (wall.hour, wall.minute)), None)


def parse_cron(text: str) -> Cron:
    """Return what the expression matches.

    Raises:
        ValueError: it has not five fields, one of them is wrong, or no day of the calendar matches.
    """
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ValueError(
            f"cron expression {text!r}: needs five fields (minute hour day month weekday), has {len(words)}"
        )
    minutes, hours, days, months, weekdays = (
        _values(field, word, text) for field, word in zip(_FIELDS, words, strict=True)
    )
    cron = Cron(
        tuple(sorted(minutes, reverse=True)),
        tuple(sorted(hours, reverse=True)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        words[2] not in ("*", "?") and words[4] not in ("*", "?"),
    )
    if cron.last(datetime(2032, 12, 31)) is None:  # noqa: DTZ001 - of the calendar, in no zone
        raise ValueError(f"cron expression {text!r}: no day of the calendar matches")
    return cron


def _values(field: _Field, word: str, text: str) -> frozenset[int]:
    values: set[int] = set()
    for part in word.split(","):
        found = _part(field, part)
        if not found:
            raise ValueError(
                f"cron expression {text!r}: {field.name} {word!r} must be made of *, numbers from {field.lowest} to "
                f"{field.highest}{', names' if field.words else ''}, ranges such as 1-5 and steps such as */15"
            )
        values |= found
    return frozenset(values)


def _part(field: _Field, part: str) -> set[int]:
    """Return the numbers of one item of a list; none if it is wrong."""
    span, slash, step_text = part.partition("/")
    if slash and not (step_text.isdecimal() and step_text.isascii()):
        return set()
    step = int(step_text[:4]) if slash else 1
    if span in ("*", "?"):
        low, high = field.lowest, min(field.highest, 6) if field.words == _DAYS else field.highest
    else:
        first, dash, last = span.partition("-")
        low = _number(field, first)
        high = _number(field, last) if dash else field.highest if slash else low
    if step < 1 or low < field.lowest or high > field.highest or low > high:
        return set()
    return set(range(low, high + 1, step))


def _number(field: _Field, word: str) -> int:
    """Return the number that a word stands for; -1 if it is none."""
    if word.lower() in field.words:
        return field.words.index(word.lower()) + field.first
    return int(word) if word.isdecimal() and word.isascii() and len(word) <= 2 else -1


def wall_clock(minute: int, time_zone: str) -> datetime:
    """Return what a clock in the zone shows; one that is set back stands still until its time comes again."""
    at = datetime.fromtimestamp(minute * 60, ZoneInfo(time_zone))
    if at.fold:
        while _comes_twice(at):
            at += timedelta(minutes=1)
        at -= timedelta(minutes=1)
    return at.replace(tzinfo=None, fold=0)


def _comes_twice(at: datetime) -> bool:
    return at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
