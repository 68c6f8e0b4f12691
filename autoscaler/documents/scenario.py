"""Scenario: what the simulator plays.

It owns objective, fleet, horizon, overload, cold start and prices: a policy that brought its own could not be compared.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from autoscaler.documents.base import (
    Document,
    DocumentModel,
    EmptyIfNull,
    NotNegative,
    Positive,
    PositiveInt,
    Replicas,
    ResourceName,
    Seconds,
    Text,
)
from autoscaler.documents.objective import Objective
from autoscaler.documents.scenario_fleet import ColdStart, Engine, Failure, MonitoringSpec, Overload, Router


class Prices(DocumentModel):
    """What capacity costs."""

    gpu_hour_usd: NotNegative = 2.5
    """One GPU for one hour, from pod start to pod end."""
    gpus_per_replica: PositiveInt = 1
    """GPUs that one replica holds."""


class TokenLengths(DocumentModel):
    """A lognormal length of prompts or outputs, in tokens."""

    mean: Positive
    """Of the lengths themselves, not of their logarithm."""
    sigma: Annotated[float, Field(strict=True, ge=0, le=3)] = 1.0
    """Of the logarithm; 0 for always the mean."""
    limit: PositiveInt = 16384
    """Longer ones are cut to this."""


class TraceLengths(DocumentModel):
    """Token lengths for a trace that has none, such as counts per minute; drawn in place of its own where it has."""

    from_trace: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """A trace whose pairs of prompt and output are drawn, with replacement; its path is found as the trace's own is."""
    prompt_tokens: TokenLengths = TokenLengths(mean=1000.0)
    """Of prompts, without `fromTrace`."""
    output_tokens: TokenLengths = TokenLengths(mean=200.0)
    """Of answers, without `fromTrace`."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.from_trace is not None and {"prompt_tokens", "output_tokens"} & self.model_fields_set:
            raise ValueError("needs one of `fromTrace` and `promptTokens` with `outputTokens`, and has both")
        return self


class PrefixCache(DocumentModel):
    """A cache of prefix blocks, from which the hits of a trace with block hashes are computed."""

    capacity_tokens: PositiveInt | None = None
    """Beyond it the blocks used least recently leave; null for a cache that forgets nothing."""


class TraceTraffic(DocumentModel):
    """Recorded requests, or recorded rates that are made into requests."""

    path: Annotated[str, Field(strict=True, min_length=1)]
    """A file; a relative one is looked for beside the scenario, then in the working directory."""
    window_seconds: tuple[Seconds, Positive] | None = None
    """Only the arrivals from the first to the second, in seconds from the trace's start."""
    keep: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0
    """The share of requests that is kept, at random. It pulls the variation of the gaps towards that of Poisson
    arrivals: where that matters, scale the rate down instead."""
    rate_scale: Positive = 1.0
    """Arrivals per second, multiplied. Recorded requests keep their number: 2 halves the time between them. Recorded
    rates keep their time: 2 makes twice as many requests."""
    repeat: PositiveInt = 1
    """How many times the trace is played, one after the other."""
    jitter_seconds: NotNegative | None = None
    """Arrivals are moved later by a random time below this. Default: the width of the slots where stamps stand in
    slots (BurstGPT 1 s, Mooncake's conversation 3 s), else 0."""
    lengths: TraceLengths | None = None
    """Token lengths to draw. Default: the trace's own; where it has none, those of `{}`."""
    prefix_cache: PrefixCache | None = None
    """Compute prefix hits from the trace's block hashes with this cache; `{}` for one that forgets nothing. Default: no
    hits."""

    @model_validator(mode="after")
    def _window_is_one(self) -> Self:
        if self.window_seconds is not None and self.window_seconds[0] >= self.window_seconds[1]:
            raise ValueError(f"`windowSeconds` must be [start, end] with start < end, not {list(self.window_seconds)}")
        return self


class MixedTrace(TraceTraffic):
    """One of several traces that are played at once."""

    weight: Positive | None = None
    """Its share of all requests, relative to the other weights: all but the scarcest are thinned at random to fit.
    Given for all traces of the mix or for none; without weights every request is kept."""


class Diurnal(DocumentModel):
    """A slow wave on the base rate: rate x (1 + amplitude x sin)."""

    amplitude: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.5
    """Share of the base rate; 1 touches zero."""
    period_seconds: Positive = 86400.0
    """One wave."""


class Bursts(DocumentModel):
    """Sudden crowds, at random moments."""

    every_seconds: Positive = 1800.0
    """Mean time between them."""
    duration_seconds: Positive = 60.0
    """How long each lasts."""
    factor: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 3.0
    """The rate during one, in multiples of the rate without."""


class IdleGaps(DocumentModel):
    """Times without any request, at random moments."""

    every_seconds: Positive = 7200.0
    """Mean time between them."""
    duration_seconds: Positive = 1200.0
    """How long each lasts."""


class Weekly(DocumentModel):
    """A rate that depends on the day: a factor for each of seven days, over and over."""

    day_factors: tuple[NotNegative, NotNegative, NotNegative, NotNegative, NotNegative, NotNegative, NotNegative] = (
        1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.5,
    )  # fmt: skip
    """Multiples of the base rate, the first for the first 24 hours."""


class FlashCrowd(DocumentModel):
    """One crowd at a known moment: the rate climbs, stays, and fades away."""

    at_seconds: Seconds
    """When it begins to climb."""
    factor: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 10.0
    """The rate at its height, in multiples of the rate without."""
    rise_seconds: NotNegative = 60.0
    """From nothing to its height, in a straight line."""
    hold_seconds: NotNegative = 300.0
    """How long it stays there."""
    decay_seconds: NotNegative = 600.0
    """What it fades with: after this time 37 % of it is left."""


class GapFamily(StrEnum):
    """The distribution of the time between two arrivals."""

    POISSON = "Poisson"
    GAMMA = "Gamma"
    WEIBULL = "Weibull"


class Gaps(DocumentModel):
    """How regular arrivals are while the rate stays the same."""

    family: GapFamily = GapFamily.POISSON
    """`Poisson` (default), `Gamma` or `Weibull`."""
    cv: Annotated[float, Field(strict=True, ge=0.05, le=20)] = 1.0
    """Standard deviation of the gaps over their mean: 1 as for Poisson, above it arrivals come in clumps."""

    @model_validator(mode="after")
    def _poisson_has_one(self) -> Self:
        if self.family is GapFamily.POISSON and self.cv != 1:
            raise ValueError(f"`cv` of Poisson gaps is 1, not {self.cv:g}: another one needs `family` Gamma or Weibull")
        return self


class GeneratedTraffic(DocumentModel):
    """Seeded synthetic requests at a rate that waves, bursts and pauses; all its factors multiply."""

    requests_per_second: Positive = 2.0
    """The base rate."""
    duration_seconds: Positive | None = None
    """How long requests arrive. Default: to the horizon."""
    gaps: Gaps = Gaps()
    """Poisson arrivals by default."""
    diurnal: Diurnal | None = None
    """None by default."""
    weekly: Weekly | None = None
    """None by default."""
    flash_crowds: tuple[FlashCrowd, ...] = ()
    """None by default."""
    bursts: Bursts | None = None
    """None by default."""
    idle_gaps: IdleGaps | None = None
    """None by default."""
    prompt_tokens: TokenLengths = TokenLengths(mean=1000.0)
    """Of prompts."""
    output_tokens: TokenLengths = TokenLengths(mean=200.0)
    """Of answers."""


class Traffic(DocumentModel):
    """Where requests come from: one of the three."""

    trace: TraceTraffic | None = None
    """Recorded requests."""
    generator: GeneratedTraffic | None = None
    """Synthetic requests; `{}` for the default ones."""
    mix: Annotated[tuple[MixedTrace, ...], Field(min_length=1)] | None = None
    """Several traces at once, each from its own beginning."""

    @model_validator(mode="after")
    def _one_of_all(self) -> Self:
        given = [name for name in ("trace", "generator", "mix") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of `trace`, `generator` and `mix`, and has {found}")
        return self

    @model_validator(mode="after")
    def _all_have_weights(self) -> Self:
        weighted = [one.weight is not None for one in self.mix or ()]
        if any(weighted) and not all(weighted):
            raise ValueError("`mix` needs a `weight` for every trace or for none")
        return self


class ScenarioSpec(DocumentModel):
    """What is simulated."""

    preset: Annotated[str, Field(strict=True, min_length=1)] = "h100-llama-3.1-8b"
    """GPU and model: the coefficients of an iteration's time."""
    objective: Annotated[Objective, EmptyIfNull] = Objective()
    """What a request must meet."""
    initial_replicas: Replicas = 1
    """Ready at the start."""
    min_replicas: Replicas = 1
    """0 lets those policies that have `scaleToZero` reach zero."""
    max_replicas: PositiveInt = 40
    """The upper bound of every policy."""
    gpu_quota: PositiveInt | None = None
    """GPUs that exist: replicas beyond them stay unschedulable."""
    horizon_seconds: Positive | None = None
    """Capacity is billed to here; what is unfinished then has missed. Default: five minutes after the last arrival."""
    overload: Annotated[Overload, EmptyIfNull] = Overload()
    """What happens when there is too much."""
    cold_start: Annotated[ColdStart, EmptyIfNull] = ColdStart(seconds=80.0)
    """How long a replica takes to become Ready. Default: 80 s, a warm node with image and compile caches."""
    prices: Annotated[Prices, EmptyIfNull] = Prices()
    """What capacity costs."""
    router: Router = Router.LEAST_OUTSTANDING
    """`RoundRobin`, `LeastOutstanding` (default), `PowerOfTwo`, or `KvAware`: the replica whose requests, waiting and
    running, have the fewest prompt tokens."""
    router_staleness_seconds: Annotated[float, Field(strict=True, ge=0, le=3600)] = 0.0
    """The router sees the replicas as they were at the last multiple of this; 0 for as they are."""
    engine: Annotated[Engine, EmptyIfNull] = Engine()
    """How batches are formed."""
    prefix_hit_ratio: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    """The share of each prompt that is in the prefix cache already, for traffic that does not tell: that much is not
    computed, but takes its place in the KV cache."""
    failures: tuple[Failure, ...] = ()
    """None by default."""
    monitoring: Annotated[MonitoringSpec, EmptyIfNull] = MonitoringSpec()
    """What the autoscaler sees."""
    traffic: Traffic
    """The requests."""
    seed: Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)] = 0
    """Of arrivals, lengths and cold starts: the same seed gives the same result."""
    policies: tuple[ResourceName, ...] = ("llm-interactive",)
    """ScalingPolicies to play, by name."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name, count in (("minReplicas", self.min_replicas), ("initialReplicas", self.initial_replicas)):
            if count > self.max_replicas:
                raise ValueError(f"`{name}` ({count}) must not be above `maxReplicas` ({self.max_replicas})")
        generator = self.traffic.generator
        if generator is not None and generator.duration_seconds is None and self.horizon_seconds is None:
            raise ValueError("a `generator` needs its `durationSeconds`, or `horizonSeconds`")
        return self


class Scenario(Document):
    """One thing to simulate."""

    kind: Literal["Scenario"] = "Scenario"
    description: Text = ""
    """One line for people, in tables and reports."""
    spec: ScenarioSpec
