"""The fleet's clockwork: every engine iteration of every replica, exactly, with closed-form jumps over pure decoding.

One source for two modes: plain Python as it stands here, and compiled by numba (`compiled.py`), bit for bit the same.
So it uses scalars, flat arrays and IEEE operations only: no transcendental function, and a random generator of its
own. The words of both, `codes`, are the words of all who read the arrays.

One iteration takes `a + b·P + c·B + d·K + e·S` seconds for `P` prefill tokens, `B` decoding requests and `K` tokens of
their context; `S` sums `end² - start²` over the chunks of prompts, so that a prompt of n tokens costs `e·n²` in all.
With a hinge, `b·max(0, P + B - hinge)` takes the place of `b·P`. At its end the replica's token clock advances by one,
each decoding request has one token more, and each prompt that became complete emits its first token. While nothing is
prefilled, iterations grow longer by `d·B` each, so n of them take `n·step + d·B/2·n·(n - 1)`, and the first boundary
after an arrival is the root of a quadratic.

Order at one moment: replicas become ready, then iterations end, then requests arrive, in the order of their index; an
iteration is formed once all arrivals of its first moment are in. `advance` may stop anywhere: nothing that it keeps
depends on where. Requests wait first in, first out, in linked lists through `Requests.following`.

The scheduler is vLLM V1's: decodes first, then the prompt in progress, then the queue's head while the token budget,
the sequence limit and the KV cache allow; when the cache is full, the latest admitted request is preempted, and later
recomputed.
"""

from autoscaler.simulator.kernel.codes import (
    ABSENT,
    BY_MEMORY,
    BY_SEQUENCES,
    COMPLETED,
    DRAINING,
    FAILED,
    FIRST_TOKEN_TIME,
    FORMING,
    FREE,
    GONE,
    HELD,
    HELD_HEAD,
    HELD_TAIL,
    IDLE,
    KV_AWARE,
    LEAST_OUTSTANDING,
    LOADED,
    LOOKS,
    NEXT,
    NEXT_READY,
    NO_TREES,
    NOT_ROUTABLE,
    NOW,
    PENDING,
    POWER_OF_TWO,
    QUEUE_TIME,
    READY,
    READY_COUNT,
    REJECTED,
    RETRIED,
    RETRYING,
    ROUND_ROBIN,
    RUNNING,
    SEED,
    SLOTS,
    STARTING,
    STOPPED,
    TIMED_OUT,
    TOTAL_TIME,
    TURN,
)
from autoscaler.simulator.kernel.moments import advance
from autoscaler.simulator.kernel.replica import fail
from autoscaler.simulator.kernel.trees import arrange

__all__ = [
    "ABSENT",
    "BY_MEMORY",
    "BY_SEQUENCES",
    "COMPLETED",
    "DRAINING",
    "FAILED",
    "FIRST_TOKEN_TIME",
    "FORMING",
    "FREE",
    "GONE",
    "HELD",
    "HELD_HEAD",
    "HELD_TAIL",
    "IDLE",
    "KV_AWARE",
    "LEAST_OUTSTANDING",
    "LOADED",
    "LOOKS",
    "NEXT",
    "NEXT_READY",
    "NOT_ROUTABLE",
    "NOW",
    "NO_TREES",
    "PENDING",
    "POWER_OF_TWO",
    "QUEUE_TIME",
    "READY",
    "READY_COUNT",
    "REJECTED",
    "RETRIED",
    "RETRYING",
    "ROUND_ROBIN",
    "RUNNING",
    "SEED",
    "SLOTS",
    "STARTING",
    "STOPPED",
    "TIMED_OUT",
    "TOTAL_TIME",
    "TURN",
    "advance",
    "arrange",
    "fail",
]
