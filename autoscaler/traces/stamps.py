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
_FRACTION = 19
"""Where the fraction's point stands, if there is one."""
_ENDINGS = ("", "Z", "+00:00")
_NANO = 10**9

Codes = np.ndarray[Any, np.dtype[np.uint32]]


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
    if not _is_form(codes):
        return None
    year, month, day = _number(codes, 0, 4), _number(codes, 5, 2), _number(codes, 8, 2)
    hour, minute, second = (_number(codes, place, 2) for place in (11, 14, 17))
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    if not exists.all() or not (_in_range(int(year.min())) and _in_range(int(year.max()))):
        return None
    months = (year - 1970) * 12 + month - 1
    firsts = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    nexts = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    if (day > nexts - firsts).any():
        return None
    fraction = _fraction(codes)
    if fraction is None:
        return None
    seconds: Longs = (firsts + day - 1) * 86400 + hour * 3600 + minute * 60 + second
    return seconds * _NANO + fraction


def _is_form(codes: Codes) -> bool:
    digits = [place for place in range(_FRACTION) if place not in _SEPARATORS and place != 10]
    is_digit = (codes[:, digits] - 48 < 10).all()
    separated = all((codes[:, place] == ord(sign)).all() for place, sign in _SEPARATORS.items())
    return bool(is_digit and separated and ((codes[:, 10] == ord(" ")) | (codes[:, 10] == ord("T"))).all())


def _number(codes: Codes, start: int, width: int) -> Longs:
    value = np.zeros(len(codes), np.int64)
    for place in range(start, start + width):
        value = value * 10 + (codes[:, place].astype(np.int64) - 48)
    return value


def _fraction(codes: Codes) -> Longs | None:
    """Return the nanoseconds, or None if what follows the seconds is neither a fraction nor UTC."""
    has_point = codes[:, _FRACTION] == ord(".")
    nanoseconds, reading = np.zeros(len(codes), np.int64), has_point.copy()
    length = np.zeros(len(codes), np.int64)
    for place in range(_FRACTION + 1, _FRACTION + 10):
        reading &= codes[:, place] - 48 < 10
        digit = np.where(reading, codes[:, place].astype(np.int64) - 48, 0)
        nanoseconds = nanoseconds * 10 + digit
        length += reading
    if (has_point & (length == 0)).any():
        return None
    end = _FRACTION + has_point + length
    return nanoseconds if _ends_well(codes, end) else None


def _ends_well(codes: Codes, end: Longs) -> bool:
    """Return whether nothing but UTC's sign stands from `end` on."""
    places = end[:, None] + np.arange(7)
    rest = np.take_along_axis(codes, places, axis=1)
    well: Flags = np.zeros(len(codes), bool)
    for ending in _ENDINGS:
        wanted = np.array([*map(ord, ending), *[0] * (7 - len(ending))], np.uint32)
        well |= (rest == wanted).all(axis=1)
    return bool(well.all())
