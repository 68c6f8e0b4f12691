"""A day's book in half hours: requests that came, those that missed, and the replica-hours that were spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory

SLOT_SECONDS = 1800.0
_DAY, _HOUR = 48, 2
"""Full slots that a day and an hour may reach into, besides the one being filled: rather half an hour too many."""


class Entry(NamedTuple):
    """What was booked."""

    arrived: float = 0.0
    missed: float = 0.0
    spent: float = 0.0
    """Replica-hours."""

    def plus(self, other: Entry) -> Entry:
        """Return both together."""
        return Entry(self.arrived + other.arrived, self.missed + other.missed, self.spent + other.spent)

    @property
    def missed_share(self) -> float:
        """Of the requests that came; 0 without any."""
        return min(1.0, self.missed / self.arrived) if self.arrived > 0.0 else 0.0


class Ledger(NamedTuple):
    """The slot that is being filled, and what the full ones of the last hour and the last day add up to."""

    slot: int
    now: Entry
    past_hour: Entry
    past_day: Entry
    past: str
    """`slot:arrived:missed:spent` of each full slot, joined by commas."""
    turned: bool
    """A slot was closed just now."""

    @property
    def hour(self) -> Entry:
        """The last hour, and up to half an hour more."""
        return self.now.plus(self.past_hour)

    @property
    def day(self) -> Entry:
        """The last day, and up to half an hour more."""
        return self.now.plus(self.past_day)

    def book(self, entry: Entry) -> Ledger:
        """Return the book with one more entry."""
        return self._replace(now=self.now.plus(entry))


def turn(memory: Memory, now: float, phase_seconds: float) -> Ledger:
    """Return the book at `now`; slots begin at whole half hours after the phase."""
    slot = int((now - phase_seconds) // SLOT_SECONDS)
    before = int(number(memory, "book.slot", slot))
    past = memory.get("book.past", "")
    past = past if isinstance(past, str) else ""
    entry = _entry(memory, _NOW)
    if slot <= before:
        return Ledger(before, entry, _entry(memory, _PAST_HOUR), _entry(memory, _PAST_DAY), past, turned=False)
    kept = [one for one in past.split(",") if one and int(one.partition(":")[0]) >= slot - _DAY]
    if before >= slot - _DAY:
        kept.append(":".join((str(before), *map(repr, entry))))
    return Ledger(slot, Entry(), _sum(kept, slot - _HOUR), _sum(kept, slot - _DAY), ",".join(kept), turned=True)


def store(ledger: Ledger) -> dict[str, float | str]:
    """Return the book as the entries of a rule's memory that change."""
    found: dict[str, float | str] = dict(zip(_NOW, ledger.now, strict=True))
    found["book.slot"] = ledger.slot
    if ledger.turned:
        found["book.past"] = ledger.past
        found.update(zip(_PAST_HOUR, ledger.past_hour, strict=True))
        found.update(zip(_PAST_DAY, ledger.past_day, strict=True))
    return found


def _sum(entries: list[str], since: int) -> Entry:
    total = Entry()
    for one in entries:
        slot, *numbers = one.split(":")
        if int(slot) >= since:
            total = total.plus(Entry(*map(float, numbers)))
    return total


def _entry(memory: Memory, keys: tuple[str, ...]) -> Entry:
    arrived, missed, spent = keys
    return Entry(number(memory, arrived), number(memory, missed), number(memory, spent))


_NOW, _PAST_HOUR, _PAST_DAY = (
    tuple(f"{place}.{name}" for name in Entry._fields) for place in ("book.now", "book.hour", "book.day")
)
