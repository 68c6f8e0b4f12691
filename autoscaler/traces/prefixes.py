"""How much of each prompt a cache of prefix blocks holds when the request comes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoscaler.traces.trace import Integers


class PrefixCache(NamedTuple):
    """One cache in front of the whole fleet, as far as hits are concerned.

    It knows all blocks of a request from the moment of its arrival on. One cache for all replicas is an upper bound:
    replicas with caches of their own hit less, unless the router brings requests back to where their prefix is.
    """

    capacity_tokens: int | None = None
    """Beyond it the blocks that were used least recently leave; None for a cache that forgets nothing."""

    def hits(self, requests: Iterable[tuple[int, Sequence[int]]], block_tokens: int) -> Integers:
        """Return the tokens of each prompt that are in the cache already.

        `requests` are prompt tokens and block hashes in order of arrival. At least one token of a prompt is computed,
        hit or not: without it no first token could come out.
        """
        blocks: OrderedDict[int, None] = OrderedDict()
        most = None if self.capacity_tokens is None else self.capacity_tokens // block_tokens
        found = []
        for prompt_tokens, hashes in requests:
            known = next((place for place, one in enumerate(hashes) if one not in blocks), len(hashes))
            found.append(max(0, min(known * block_tokens, prompt_tokens - 1)))
            _use(blocks, hashes, most)
        return np.array(found, np.int32)


def _use(blocks: OrderedDict[int, None], hashes: Sequence[int], most: int | None) -> None:
    """Put a request's blocks into the cache, its last first: a prefix outlives what follows it, as in vLLM."""
    for one in reversed(hashes):
        blocks[one] = None
        if most is not None:
            blocks.move_to_end(one)
    while most is not None and len(blocks) > most:
        blocks.popitem(last=False)
