"""The two heaps: of the clients that come again, and of the decoding requests of a replica.

Keys are distinct, so what leaves next does not depend on how a heap lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import RETRYING

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Fleet, Requests


def retry_push(requests: Requests, book: Book, index: int) -> None:
    """Put one request into the heap of those that come again, by time, ties by number."""
    place = book.counts[RETRYING]
    book.counts[RETRYING] = place + 1
    while place > 0:
        parent = (place - 1) // 2
        if not sooner(requests, index, requests.again[parent]):
            break
        requests.again[place] = requests.again[parent]
        place = parent
    requests.again[place] = index


def retry_pop(requests: Requests, book: Book) -> int:
    """Take the request that comes again first."""
    first: int = requests.again[0]
    size = book.counts[RETRYING] - 1
    book.counts[RETRYING] = size
    index = requests.again[size]
    hole = 0
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and sooner(requests, requests.again[child + 1], requests.again[child]):
            child += 1
        if not sooner(requests, requests.again[child], index):
            break
        requests.again[hole] = requests.again[child]
        hole = child
    requests.again[hole] = index
    return first


def sooner(requests: Requests, one: int, other: int) -> bool:
    """Return whether the one came, or comes, before the other."""
    first, second = requests.due[one], requests.due[other]
    return bool(first < second or (first == second and one < other))


def heap_push(fleet: Fleet, slot: int, key: int, width: int) -> None:
    """Put one key into the replica's heap of last tokens."""
    base = slot * width
    place = fleet.batch[slot]
    fleet.batch[slot] = place + 1
    while place > 0:
        parent = (place - 1) // 2
        if fleet.heap[base + parent] <= key:
            break
        fleet.heap[base + place] = fleet.heap[base + parent]
        place = parent
    fleet.heap[base + place] = key


def heap_remove(fleet: Fleet, slot: int, place: int, width: int) -> None:
    """Take the key at `place` (an absolute place in `Fleet.heap`) out of the replica's heap."""
    base = slot * width
    size = fleet.batch[slot] - 1
    fleet.batch[slot] = size
    hole = place - base
    key = fleet.heap[base + size]
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and fleet.heap[base + child + 1] < fleet.heap[base + child]:
            child += 1
        if key <= fleet.heap[base + child]:
            break
        fleet.heap[base + hole] = fleet.heap[base + child]
        hole = child
    while hole > 0 and fleet.heap[base + (hole - 1) // 2] > key:
        fleet.heap[base + hole] = fleet.heap[base + (hole - 1) // 2]
        hole = (hole - 1) // 2
    fleet.heap[base + hole] = key
