"""Moments such as `2023-11-16 18:15:46.6805900` or `2024-05-10T00:00:00+00:00`, read exactly and many at once.

numpy's own reading takes `now`, `2023` and `NaT` for moments, and warns of time zones; this one takes one form only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.traces.table import Column, Values

if TYPE_CHECKING:
    from autoscaler.traces.trace import Flags, Longs

_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:\+00:00|Z)?", re.ASCII)
_ALLOWED = "a moment such as 2023-11-16 18:15:46.6805900 or 2024-05-10 00:00:00.009930+00:00"
_WIDTH = 40
"""Longer than any moment, so that one which was cut does not pass."""
_SEPARATORS = {4: "-", 7: "-", 13: ":", 16: ":"}
_DATE_END = 10
_FRACTION = 19
"""Where the fraction's point stands, if there is one."""
_ENDINGS = ("", "Z", "+00:00")
_NANO = 10**9
_LAST_ASCII = 127
_ZERO = np.uint8(ord("0"))

Codes = np.ndarray[Any, np.dtype[np.uint8]]
Shorts = np.ndarray[Any, np.dtype[np.int32]]


def stamps(name: str) -> Column:
    """Return a column of moments, as nanoseconds since 1970 in UTC."""
    return Column(name, f"U{_WIDTH}", _parse, _ALLOWED, _convert, "i8")


def _parse(text: str) -> int:
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    moment = np.datetime64(text.strip()[:_FRACTION].replace(" ", "T"), "s")
    if not _in_range(int(found[1])):
        raise ValueError(text)
    return int(moment.astype(np.int64)) * _NANO + int((found[7] or "").ljust(9, "0"))


def _in_range(year: int) -> bool:
    """Return whether nanoseconds of a year fit into 64 bits."""
    return 1700 <= year <= 2200


def _convert(values: Values) -> Longs | None:
    """Return all moments, or None if one of them is not of the form."""
    codes = values.astype(f"U{_WIDTH}").view(np.uint32).reshape(len(values), _WIDTH)
    if codes.max() > _LAST_ASCII:
        return None
    # one row for each place in the text, so that what is asked of a place is asked of neighbours in memory
    places: Codes = np.ascontiguousarray(codes.astype(np.uint8).T)
    if not _is_form(places):
        return None
    year, month, day = _number(places, 0, 4), _number(places, 5, 2), _number(places, 8, 2)
    hour, minute, second = (_number(places, place, 2) for place in (11, 14, 17))
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    if not exists.all() or not (_in_range(int(year.min())) and _in_range(int(year.max()))):
        return None
    months = ((year - 1970) * 12 + month - 1).astype(np.int64)
    firsts, nexts = _first_day(months), _first_day(months + 1)
    if (day > nexts - firsts).any():
        return None
    fraction = _fraction(places)
    if fraction is None:
        return None
    seconds: Longs = (firsts + day - 1) * 86400 + hour * 3600 + minute * 60 + second
    return seconds * _NANO + fraction


def _first_day(months: Longs) -> Longs:
    """Return the days from 1970 to the first of a month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _is_form(places: Codes) -> bool:
    digits = [place for place in range(_FRACTION) if place not in _SEPARATORS and place != _DATE_END]
    is_digit = all(_digits(places[place]).all() for place in digits)
    separated = all((places[place] == ord(sign)).all() for place, sign in _SEPARATORS.items())
    between = places[_DATE_END]
    return bool(is_digit and separated and ((between == ord(" ")) | (between == ord("T"))).all())


def _digits(codes: Codes) -> Flags:
    """Return which are digits: below `0`, unsigned numbers wrap round to large ones."""
    return np.asarray(codes - _ZERO < 10)


def _number(places: Codes, start: int, width: int) -> Shorts:
    value = np.zeros(places.shape[1], np.int32)
    for place in range(start, start + width):
        value = value * 10 + (places[place] - _ZERO)
    return value


def _fraction(places: Codes) -> Longs | None:
    """Return the nanoseconds, or None if what follows the seconds is neither a fraction nor UTC."""
    has_point = places[_FRACTION] == ord(".")
    nanoseconds, reading = np.zeros(len(has_point), np.int32), has_point.copy()
    length = np.zeros(len(has_point), np.int8)
    for place in range(_FRACTION + 1, _FRACTION + 10):
        reading &= _digits(places[place])
        nanoseconds = nanoseconds * 10 + np.where(reading, places[place] - _ZERO, 0)
        length += reading
    if (has_point & (length == 0)).any():
        return None
    end = _FRACTION + has_point + length
    return nanoseconds.astype(np.int64) if _ends_well(places, end) else None


def _ends_well(places: Codes, end: Values) -> bool:
    """Return whether nothing but UTC's sign stands from `end` on."""
    well = True
    for place in np.unique(end).tolist():
        rest = places[place:, end == place]
        matches = [
            (rest[: len(ending)] == np.array([*map(ord, ending)], np.uint8)[:, None]).all(axis=0)
            & (rest[len(ending) :] == 0).all(axis=0)
            for ending in _ENDINGS
        ]
        well &= bool(np.logical_or.reduce(matches).all())
    return well
