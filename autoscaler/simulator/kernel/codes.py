"""What the numbers in the kernel's arrays mean."""

from __future__ import annotations

ABSENT, STARTING, READY, DRAINING, GONE = 0, 1, 2, 3, 4
"""`Fleet.state`."""
IDLE, FORMING, RUNNING = 0, 1, 2
"""`Fleet.phase`: no request; an iteration starts at `begin`; iterations run until `end`."""
FREE, BY_SEQUENCES, BY_MEMORY, STOPPED = 0, 1, 2, 3
"""`Fleet.hindered`: why an arrival need not stop the jump: the batch is full, the cache is, or it stops already."""
PENDING, COMPLETED, REJECTED, TIMED_OUT, FAILED = 0, 1, 2, 3, 4
"""`Requests.outcome`."""
ROUND_ROBIN, LEAST_OUTSTANDING, POWER_OF_TWO, KV_AWARE = 0, 1, 2, 3
"""`Model.router`. The last one compares the prompt tokens of all requests that a replica has, waiting or running."""
LOADED, NEXT, HELD, HELD_HEAD, SLOTS, READY_COUNT, TURN, SEED = 0, 1, 2, 3, 4, 5, 6, 7
HELD_TAIL, RETRYING, RETRIED, LOOKS = 8, 9, 10, 11
"""`Book.counts`."""
NO_TREES, NOT_ROUTABLE = -1, -2
"""`Fleet.position`, where it is none: of a small fleet, and of a replica without a place in the tree of loads."""
NOW, NEXT_READY = 0, 1
"""`Book.times`."""
QUEUE_TIME, FIRST_TOKEN_TIME, TOTAL_TIME = 0, 1, 2
"""Which histogram, in `Model.bounds` and `Fleet.histograms`."""


KEY = 4294967296
"""A heap key is `token clock at the last token · KEY + request`: ordered by finish, ties by arrival."""
