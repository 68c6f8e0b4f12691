"""A second simulator of the same model, written to be obvious: every iteration is stepped, nothing is jumped.

It shares no code with the kernel. Times are summed iteration by iteration, requests are objects, queues are lists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Request:
    index: int
    arrival: float
    prompt: int
    output: int
    generated: int = 0
    prefilled: int = 0
    target: int = 0
    first: float = math.nan
    finish: float = math.nan
    outcome: str = "pending"
    hits: int = 0
    due: float = 0.0
    tries: int = 0


@dataclass
class Replica:
    ready_at: float
    number: int
    waiting: list = field(default_factory=list)
    preempted: list = field(default_factory=list)
    running: list = field(default_factory=list)
    ends_at: float = math.inf
    chunks: dict = field(default_factory=dict)
    draining: bool = False
    gone_at: float = math.inf
    busy: float = 0.0
    began: float = 0.0
    warm_at: float = 0.0
    seen: int = 0

    @property
    def outstanding(self):
        return len(self.waiting) + len(self.preempted) + len(self.running)

    def decoding(self):
        return [request for request in self.running if request.prefilled == request.target]

    def context(self):
        return sum(request.prefilled for request in self.running)


class Stepwise:
    """`actions` are (time, replicas): scale to so many, or let minus so many fail; the first is at 0, ready at once."""

    def __init__(self, model, arrivals, prompts, outputs, actions, startup_seconds, seed, hits=None):
        self.model = model
        self.requests = [
            Request(index, *values) for index, values in enumerate(zip(arrivals, prompts, outputs, strict=True))
        ]
        for request in self.requests:
            request.due = request.arrival
            request.hits = 0 if hits is None else min(int(hits[request.index]), request.prompt - 1)
        self.coming = list(self.requests)
        self.returning = []
        self.looks = -1
        self.actions = list(actions)
        self.startup_seconds = list(startup_seconds)
        self.replicas = []
        self.routable = []
        self.held = []
        self.turn = 0
        self.random = seed % 4294967295 + 1
        self.now = 0.0

    def run(self, until):
        while True:
            moment = min(self._moments())
            if moment > until:
                return self
            self.now = moment
            self._look(moment)
            self._expire()
            self._become_ready()
            self._end_iterations()
            self._look(math.nextafter(moment, math.inf))
            for request in sorted(self.returning, key=lambda request: (request.due, request.index)):
                if request.due <= moment:
                    self.returning.remove(request)
                    self._arrive(request)
            while self.coming and self.coming[0].arrival <= moment:
                self._arrive(self.coming.pop(0))
            while self.actions and self.actions[0][0] <= moment:
                self._scale(self.actions.pop(0)[1])
            for replica in self.replicas:
                if replica.ends_at == math.inf and replica.outstanding and replica.gone_at == math.inf:
                    self._form(replica)

    def _moments(self):
        yield math.inf
        if self.coming:
            yield self.coming[0].arrival
        if self.actions:
            yield self.actions[0][0]
        for request in self.returning:
            yield request.due
        for replica in self.replicas:
            if replica.gone_at == math.inf:
                yield replica.ends_at
                if replica.ready_at > self.now:
                    yield replica.ready_at
                for request in replica.waiting:
                    yield request.due + self.model.timeout_seconds
        for request in self.held:
            yield request.due + self.model.timeout_seconds

    def _look(self, before):
        """Let a router with stale data look, if a moment for it came since and lies before the one given."""
        period = self.model.stale_seconds
        if period > 0:
            looks = int(self.now / period)
            looks += int((looks + 1) * period <= self.now) - int(looks * period > self.now)
            if looks > self.looks and looks * period < before:
                self.looks = looks
                for replica in self.replicas:
                    replica.seen = self._load(replica)

    def _load(self, replica):
        if self.model.router == 3:
            return sum(request.prompt for request in [*replica.waiting, *replica.preempted, *replica.running])
        return replica.outstanding

    def _compared(self, replica):
        return replica.seen if self.model.stale_seconds > 0 else self._load(replica)

    def _lose(self, request, outcome):
        request.generated = request.prefilled = request.target = 0
        if request.tries < self.model.retries:
            request.tries += 1
            request.first = math.nan
            request.due = self.now + self.model.retry_seconds
            self.returning.append(request)
        else:
            request.outcome, request.finish = outcome, self.now

    def _expire(self):
        for queue in [self.held, *(replica.waiting for replica in self.replicas)]:
            for request in list(queue):
                if request.due + self.model.timeout_seconds <= self.now:
                    queue.remove(request)
                    self._lose(request, "timed out")
        self._bury()

    def _bury(self):
        for replica in self.replicas:
            if replica.draining and not replica.outstanding and replica.gone_at == math.inf:
                replica.gone_at = self.now

    def _become_ready(self):
        for replica in self.replicas:
            live = not replica.draining and replica.gone_at == math.inf
            if live and replica.ready_at <= self.now and replica not in self.routable:
                self.routable.append(replica)
                replica.seen = 0
        if self.routable:
            held, self.held = self.held, []
            for request in held:
                self._route(request)

    def _arrive(self, request):
        if request.prompt + request.output > self.model.longest_tokens:
            request.outcome, request.finish = "rejected", self.now
        elif self.routable:
            self._route(request)
        elif len(self.held) >= self.model.gateway_limit:
            self._lose(request, "rejected")
        else:
            self.held.append(request)

    def _route(self, request):
        count = len(self.routable)
        if count == 1:
            replica = self.routable[0]
        elif self.model.router == 0:
            chosen = self.turn % count
            self.turn = chosen + 1
            replica = self.routable[chosen]
        elif self.model.router in (1, 3):
            start = self.turn % count
            order = [(start + offset) % count for offset in range(count)]
            chosen = min(order, key=lambda place: self._compared(self.routable[place]))
            self.turn = chosen + 1
            replica = self.routable[chosen]
        else:
            one, other = self._draw(count), self._draw(count - 1)
            other += other >= one
            replica = min(self.routable[one], self.routable[other], key=self._compared)
        if len(replica.waiting) >= self.model.queue_limit:
            self._lose(request, "rejected")
        else:
            replica.waiting.append(request)

    def _draw(self, count):
        state = self.random
        state ^= (state << 13) % 2**32
        state ^= state >> 17
        state ^= (state << 5) % 2**32
        self.random = state
        return state % count

    def _fail(self, replicas):
        live = [replica for replica in self.replicas if not replica.draining and replica.gone_at == math.inf]
        for replica in sorted(live, key=lambda r: (r not in self.routable, r.number))[:replicas]:
            replica.gone_at = self.now
            if replica in self.routable:
                self.routable.remove(replica)
            for request in [*replica.waiting, *replica.preempted, *replica.running]:
                self._lose(request, "failed")
            replica.waiting, replica.preempted, replica.running = [], [], []

    def _scale(self, replicas):
        if replicas < 0:
            self._fail(-replicas)
            return
        live = [replica for replica in self.replicas if not replica.draining and replica.gone_at == math.inf]
        for _ in range(replicas - len(live)):
            ready_at = self.now + (0.0 if self.now == 0 else self.startup_seconds.pop(0))
            self.replicas.append(Replica(ready_at, len(self.replicas)))
            if self.now > 0:
                self.replicas[-1].warm_at = ready_at + self.model.cold_seconds
            if ready_at <= self.now:
                self.routable.append(self.replicas[-1])
        order = sorted(
            live,
            key=lambda r: (r in self.routable, r.outstanding if r in self.routable else 0, -r.number),
        )
        for replica in order[: max(0, len(live) - replicas)]:
            if replica in self.routable:
                self.routable.remove(replica)
                replica.draining = True
            else:
                replica.gone_at = self.now
        self._bury()

    def _form(self, replica):
        model = self.model
        full = False
        if not model.conservative:
            while self._held(replica) + len(replica.decoding()) > model.kv_tokens:
                full = True
                victim = replica.running.pop()
                victim.prefilled = 0
                replica.preempted.append(victim)
        decoding = replica.decoding()
        context = replica.context()
        room = model.budget_tokens - len(decoding)
        replica.chunks = {}
        for request in replica.running:
            if request.prefilled < request.target:
                room -= self._take(replica, request, room)
        while not full and room > 0 and (replica.preempted or replica.waiting):
            queue = replica.preempted or replica.waiting
            request = queue[-1] if replica.preempted else queue[0]
            tokens = request.prompt + request.generated
            free = model.kv_tokens - self._held(replica) - (0 if model.conservative else len(decoding))
            need = tokens + request.output if model.conservative else tokens
            if len(replica.running) >= model.max_sequences or need > free:
                break
            queue.remove(request)
            replica.running.append(request)
            request.target = tokens
            request.prefilled = request.hits
            room -= self._take(replica, request, room)
        prefill = sum(replica.chunks.values())
        squares = sum(
            (request.prefilled + chunk) ** 2 - request.prefilled**2
            for request in replica.running
            if (chunk := replica.chunks.get(request.index))
        )
        work = prefill
        if model.hinge_tokens >= 0:
            work = max(0, prefill + len(decoding) - model.hinge_tokens)
        seconds = (
            model.base_seconds
            + model.prefill_seconds * work
            + model.sequence_seconds * len(decoding)
            + model.context_seconds * context
            + model.square_seconds * squares
        )
        if self.now < replica.warm_at:
            seconds *= model.cold_factor
        replica.began = self.now
        replica.ends_at = self.now + seconds

    def _held(self, replica):
        if self.model.conservative:
            return sum(request.prompt + request.output for request in replica.running)
        return sum(max(request.target, request.prefilled) for request in replica.running)

    def _take(self, replica, request, room):
        chunk = min(request.target - request.prefilled, room)
        replica.chunks[request.index] = chunk
        return chunk

    def _end_iterations(self):
        for replica in self.replicas:
            if replica.ends_at > self.now or replica.gone_at < math.inf:
                continue
            replica.busy += self.now - replica.began
            replica.ends_at = math.inf
            for request in list(replica.running):
                if request.index in replica.chunks:
                    request.prefilled += replica.chunks[request.index]
                    if request.prefilled < request.target:
                        continue
                else:
                    request.prefilled += 1
                    request.target += 1
                self._emit(replica, request)
            replica.chunks = {}
        self._bury()

    def _emit(self, replica, request):
        request.generated += 1
        if math.isnan(request.first):
            request.first = self.now + self.model.front_seconds
        if request.generated == request.output:
            replica.running.remove(request)
            request.outcome = "completed"
            request.finish = (
                self.now
                + self.model.front_seconds
                + self.model.back_seconds
                + self.model.token_seconds * request.output
            )
