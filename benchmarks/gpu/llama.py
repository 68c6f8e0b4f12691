"""A Llama of any shape with random weights and a slotted KV cache; timing needs no trained ones.

The shape of Llama-3.1-8B is the published one (meta-llama/Llama-3.1-8B `config.json`). Attention is PyTorch's
`scaled_dot_product_attention`, so the coefficients fitted here are those of this engine, not of vLLM's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a decoder."""

    layers: int = 32
    hidden: int = 4096
    heads: int = 32
    kv_heads: int = 8
    intermediate: int = 14_336
    vocabulary: int = 128_256
    rope_theta: float = 500_000.0

    @property
    def head(self) -> int:
        """Dimension of one attention head."""
        return self.hidden // self.heads


TINY = Shape(layers=2, hidden=64, heads=4, kv_heads=2, intermediate=128, vocabulary=256)
"""For trying the script where there is no GPU."""


class Llama:
    """Random weights, and a KV cache of `slots` sequences of at most `length` tokens."""

    def __init__(self, shape: Shape, slots: int, length: int, device: str, dtype: torch.dtype) -> None:
        self.shape, self.device = shape, device
        generator = torch.Generator(device).manual_seed(0)

        def weight(*size: int) -> torch.Tensor:
            scale = size[-1] ** -0.5
            return torch.randn(*size, device=device, dtype=dtype, generator=generator) * scale

        kv = shape.kv_heads * shape.head
        self.embed = weight(shape.vocabulary, shape.hidden)
        self.layers = [
            {
                "qkv": weight(shape.hidden + 2 * kv, shape.hidden),
                "out": weight(shape.hidden, shape.hidden),
                "gate_up": weight(2 * shape.intermediate, shape.hidden),
                "down": weight(shape.hidden, shape.intermediate),
            }
            for _ in range(shape.layers)
        ]
        self.ones = torch.ones(shape.hidden, device=device, dtype=dtype)
        # one spare slot takes what a padded batch writes
        size = (shape.layers, slots + 1, length, shape.kv_heads, shape.head)
        self.keys = torch.zeros(size, device=device, dtype=dtype)
        self.values = torch.zeros(size, device=device, dtype=dtype)
        powers = torch.arange(0, shape.head, 2, device=device, dtype=torch.float32) / shape.head
        angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), shape.rope_theta**-powers)
        self.cos = torch.cat((angles.cos(), angles.cos()), -1).to(dtype)
        self.sin = torch.cat((angles.sin(), angles.sin()), -1).to(dtype)

    @torch.inference_mode()
    def prefill(self, slot: int, tokens: torch.Tensor, start: int) -> torch.Tensor:
        """Run one prompt chunk of `tokens` [n] that begins at position `start`; return the next token [1]."""
        count = tokens.shape[0]
        positions = torch.arange(start, start + count, device=self.device)
        # each token sees the chunks before its own and, of its own, what came before it
        mask = positions[:, None] >= torch.arange(start + count, device=self.device)[None, :]
        hidden = embedding(tokens, self.embed)
        for index, layer in enumerate(self.layers):
            query, key, value = self._project(layer, hidden, positions)
            self.keys[index, slot, start : start + count] = key
            self.values[index, slot, start : start + count] = value
            keys = self.keys[index, slot, : start + count].transpose(0, 1)
            values = self.values[index, slot, : start + count].transpose(0, 1)
            attended = self._attend(query.transpose(0, 1), keys, values, None if start == 0 else mask)
            hidden = self._finish(layer, hidden, attended.transpose(0, 1).reshape(count, -1))
        return self._next(hidden[-1:])

    @torch.inference_mode()
    def decode(self, tokens: torch.Tensor, lengths: torch.Tensor, longest: int) -> torch.Tensor:
        """Run one token of each of the slots 0..n-1, whose caches hold `lengths` [n] tokens; return the next ones.

        `longest` is a bound on the lengths: attention reads that many tokens of every slot.
        """
        count = tokens.shape[0]
        slots = torch.arange(count, device=self.device)
        mask = (torch.arange(longest, device=self.device)[None, :] <= lengths[:, None])[:, None, None, :]
        hidden = embedding(tokens, self.embed)
        for index, layer in enumerate(self.layers):
            query, key, value = self._project(layer, hidden, lengths)
            self.keys[index, slots, lengths] = key
            self.values[index, slots, lengths] = value
            keys = self.keys[index, :count, :longest].transpose(1, 2)
            values = self.values[index, :count, :longest].transpose(1, 2)
            attended = scaled_dot_product_attention(query[:, :, None], keys, values, attn_mask=mask, enable_gqa=True)
            hidden = self._finish(layer, hidden, attended.reshape(count, -1))
        return self._next(hidden)

    def _attend(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        causal = mask is None
        return scaled_dot_product_attention(
            query[None], keys[None], values[None], attn_mask=mask, is_causal=causal, enable_gqa=True
        )[0]

    def _project(
        self, layer: dict[str, torch.Tensor], hidden: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shape, count = self.shape, hidden.shape[0]
        joined = linear(rms_norm(hidden, hidden.shape[-1:], self.ones), layer["qkv"])
        query, key, value = joined.split([shape.hidden, shape.kv_heads * shape.head, shape.kv_heads * shape.head], -1)
        query = self._rotate(query.view(count, shape.heads, shape.head), positions)
        key = self._rotate(key.view(count, shape.kv_heads, shape.head), positions)
        return query, key, value.view(count, shape.kv_heads, shape.head)

    def _rotate(self, vectors: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        first, second = vectors.chunk(2, -1)
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        return vectors * cos + torch.cat((-second, first), -1) * sin

    def _finish(self, layer: dict[str, torch.Tensor], hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        hidden = hidden + linear(attended, layer["out"])
        gate, up = linear(rms_norm(hidden, hidden.shape[-1:], self.ones), layer["gate_up"]).chunk(2, -1)
        return hidden + linear(silu(gate) * up, layer["down"])

    def _next(self, hidden: torch.Tensor) -> torch.Tensor:
        return linear(rms_norm(hidden, hidden.shape[-1:], self.ones), self.embed).argmax(-1)
