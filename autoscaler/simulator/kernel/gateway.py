"""The gateway and the clients in front of it: who comes, who waits there, who leaves and who comes again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import (
    HELD,
    HELD_HEAD,
    HELD_TAIL,
    LOADED,
    NEXT,
    READY_COUNT,
    REJECTED,
    RETRIED,
    RETRYING,
    TIMED_OUT,
)
from autoscaler.simulator.kernel.heaps import retry_pop, retry_push

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Model, Requests


def following_request(requests: Requests, book: Book, at: float) -> int:
    """Take the request that comes at `at`, one that comes again before the others; -1 if none does."""
    if book.counts[RETRYING] > 0 and requests.due[requests.again[0]] <= at:
        return retry_pop(requests, book)
    index: int = book.counts[NEXT]
    if index < book.counts[LOADED] and requests.arrival[index] <= at:
        book.counts[NEXT] = index + 1
        return index
    return -1


def received(model: Model, requests: Requests, book: Book, index: int, at: float) -> bool:
    """Return whether a request goes on to a replica: refuse what cannot fit, hold it while nothing is ready."""
    if requests.prompt[index] + requests.output[index] > model.longest_tokens:
        requests.outcome[index] = REJECTED
        requests.finish[index] = at
        return False
    if book.counts[READY_COUNT] > 0:
        return True
    release_expired(model, requests, book, at)
    if book.counts[HELD] >= model.gateway_limit:
        lose(model, requests, book, index, at, REJECTED)
        return False
    if book.counts[HELD] == 0:
        book.counts[HELD_HEAD] = index
    else:
        requests.following[book.counts[HELD_TAIL]] = index
    book.counts[HELD_TAIL] = index
    book.counts[HELD] += 1
    return False


def leave_gateway(requests: Requests, book: Book) -> int:
    """Take the first request from the gateway; -1 if there is none."""
    if book.counts[HELD] == 0:
        return -1
    index: int = book.counts[HELD_HEAD]
    book.counts[HELD_HEAD] = requests.following[index]
    book.counts[HELD] -= 1
    return index


def release_expired(model: Model, requests: Requests, book: Book, at: float) -> None:
    """Drop the requests at the gateway whose client has gone."""
    while book.counts[HELD] > 0:
        leaves_at = requests.due[book.counts[HELD_HEAD]] + model.timeout_seconds
        if leaves_at > at:
            return
        lose(model, requests, book, leave_gateway(requests, book), leaves_at, TIMED_OUT)


def lose(model: Model, requests: Requests, book: Book, index: int, at: float, outcome: int) -> None:
    """Let a request go that was refused, left or failed: its client tries again, or it was the last time."""
    if model.retries > 0 and requests.tries[index] < model.retries:
        requests.tries[index] += 1
        requests.first[index] = math.nan
        requests.due[index] = at + model.retry_seconds
        book.counts[RETRIED] += 1
        retry_push(requests, book, index)
        return
    requests.outcome[index] = outcome
    requests.finish[index] = at
