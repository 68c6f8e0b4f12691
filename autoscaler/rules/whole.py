"""From a need to a whole number of replicas: rounded, in company, and held."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.rules.hold import hold
from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory
    from autoscaler.rules.outlook import Outlook

SHORTEST_HOLD_SECONDS = 120.0
_HELD_STARTS = 0.5
"""What present demand needs is held for half a cold start: the room of long ones is what a whole one was held for."""
SLACK_REPLICAS, DOWN_REPLICAS = 0.15, 0.1
"""A need this little above a whole count does not ask for one more; to do with one less it must be so far below."""
_COMPANY, _ALONE_AGAIN = 2, 0.8


class Replicas(NamedTuple):
    """What turns full replicas into ready ones."""

    usable: float
    """How full each may be."""
    spare: float
    """Warm ones on top."""
    alone: float
    """The demand up to which a single one is enough."""
    startup_seconds: float

    def held(self, memory: Memory, outlook: Outlook, now: float) -> tuple[int, int, dict[str, str]]:
        """Return the count for the forecast, the count after the holds, and the memory entries that change.

        What present demand needs is held for half a cold start, as a replica that goes is long in coming back; what was
        only foreseen is held for two minutes.
        """
        before = int(number(memory, "count"))
        least = self._company(outlook.minute, before)
        count = max(least, self._count(outlook.need, -SLACK_REPLICAS))
        present = max(least, self._count(outlook.present, DOWN_REPLICAS))
        foreseen, changed_foreseen = hold(memory, count, SHORTEST_HOLD_SECONDS, now, "held.foreseen")
        window_seconds = max(SHORTEST_HOLD_SECONDS, _HELD_STARTS * self.startup_seconds)
        needed, changed = hold(memory, present, window_seconds, now)
        return count, max(foreseen, min(needed, before)), {**changed_foreseen, **changed}

    def _count(self, need: float, more: float) -> int:
        return max(0, math.ceil(need / self.usable + self.spare + more))

    def _company(self, demand: float, before: int) -> int:
        """Return 2 where a single replica must not be alone; it may be again once demand is a fifth below that."""
        return _COMPANY if demand > (self.alone if before < _COMPANY else _ALONE_AGAIN * self.alone) else 0
