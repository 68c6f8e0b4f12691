"""The fleet of a Scenario: engine, router, cold start, failures, overload, and how it is monitored."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from autoscaler.documents.base import DocumentModel, NotNegative, Positive, PositiveInt, Replicas, Seconds

Sigma = Annotated[float, Field(strict=True, ge=0, le=2)]


class Router(StrEnum):
    """How a request finds its replica."""

    ROUND_ROBIN = "RoundRobin"
    LEAST_OUTSTANDING = "LeastOutstanding"
    POWER_OF_TWO = "PowerOfTwo"
    KV_AWARE = "KvAware"


class Admission(StrEnum):
    """When a waiting request joins the batch."""

    OPTIMISTIC = "Optimistic"
    CONSERVATIVE = "Conservative"


class Engine(DocumentModel):
    """How the inference server forms its batches."""

    max_num_seqs: PositiveInt = 256
    """Requests in one batch."""
    max_num_batched_tokens: PositiveInt = 8192
    """Tokens of one iteration; must be above `maxNumSeqs`."""
    admission: Admission = Admission.OPTIMISTIC
    """`Optimistic` (default): as soon as the prompt fits the KV cache, with preemption. `Conservative`: only if the
    whole output fits too, which presumes that its length is known."""
    hinge_tokens: PositiveInt | None = None
    """Tokens of an iteration that cost nothing beyond its base. Default: none, as the presets were fitted."""
    square_ms: NotNegative = 0.0
    """Milliseconds per squared token of a prompt: for prompts of more than about 8,000 tokens."""

    @model_validator(mode="after")
    def _room_for_prompts(self) -> Self:
        if self.max_num_seqs >= self.max_num_batched_tokens:
            room = f"must be above `maxNumSeqs` ({self.max_num_seqs})"
            raise ValueError(f"`maxNumBatchedTokens` ({self.max_num_batched_tokens}) {room}")
        return self


class Overload(DocumentModel):
    """What happens to requests when there are too many."""

    queue_limit: PositiveInt | None = None
    """Waiting requests per replica above which a request is rejected; none by default."""
    gateway_limit: Replicas | None = None
    """Requests that may wait while no replica is ready; all by default. 0 for a gateway that holds none, as Envoy and
    ingress-nginx: who comes then is turned away, and `gatewayRequests` counts those of the last minute."""
    client_timeout_seconds: Positive | None = 60.0
    """A client leaves after this long without a first token; null for never."""
    retries: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    """How often a client tries again after a rejection, a timeout or a failed replica. It stays one request: its time
    to first token runs from its first arrival."""
    retry_after_seconds: Annotated[float, Field(strict=True, ge=0.001, le=86400)] = 1.0
    """How long it waits before it does."""


class StartPhase(DocumentModel):
    """One part of a cold start: lognormal."""

    seconds: Positive
    """The median."""
    jitter: Sigma = 0.2
    """Sigma of the logarithm; 0 for always the same."""


class WeightsPhase(DocumentModel):
    """Loading the weights: bytes by bandwidth, and what it takes before the first byte."""

    gigabytes: Positive
    """Of the weights on this replica's disks or network: 16 for 8 billion parameters of 16 bits."""
    gigabytes_per_second: Positive
    """From where they are: 0.3 from a network disk, 1 to 3 from a local one, 10 from memory."""
    open_seconds: NotNegative = 0.0
    """Before the first byte."""
    jitter: Sigma = 0.2
    """Sigma of the logarithm of the whole; 0 for always the same."""


class ColdStartPhases(DocumentModel):
    """The parts of a cold start, one after the other; those left out take no time."""

    schedule: StartPhase | None = None
    """Until the pod has a node that exists."""
    node: StartPhase | None = None
    """Until a new node is there."""
    image: StartPhase | None = None
    """Pulling the image."""
    weights: WeightsPhase | None = None
    """Loading the weights."""
    engine: StartPhase | None = None
    """Imports, compilation, graph capture."""
    warm_up: StartPhase | None = None
    """Requests that the server sends itself before it is Ready."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("needs at least one phase")
        return self


class SlowStart(DocumentModel):
    """A fresh replica is slow at first, though Ready: caches are cold, kernels are tuned."""

    factor: Annotated[float, Field(strict=True, ge=1, le=100)] = 3.0
    """Iterations take so many times as long."""
    seconds: Positive = 30.0
    """For so long after Ready."""


class ColdStart(DocumentModel):
    """From pod creation to Ready; billed."""

    seconds: Positive | None = None
    """The median of the whole start."""
    preset: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """Instead of `seconds`: the name of a preset of phases."""
    phases: ColdStartPhases | None = None
    """Instead of `seconds`: each phase by itself."""
    jitter: Sigma = 0.2
    """Sigma of the lognormal factor on `seconds`, or on each phase of the preset; 0 for always the same."""
    slow_start: SlowStart | None = None
    """None by default; `{}` for three times as slow for 30 s. The replicas of the beginning are past it."""

    @model_validator(mode="after")
    def _one_of_all(self) -> Self:
        given = [name for name in ("seconds", "preset", "phases") if getattr(self, name) is not None]
        if len(given) > 1:
            both = "both" if len(given) == 2 else "all"
            named = " and ".join(f"`{name}`" for name in given)
            raise ValueError(f"needs one of {named}, and has {both}")
        if self.phases is not None and "jitter" in self.model_fields_set:
            raise ValueError("`jitter` belongs to each of `phases`")
        return self


class Failure(DocumentModel):
    """Replicas that die at once, with the requests they have."""

    at_seconds: Seconds
    """When."""
    replicas: PositiveInt = 1
    """How many: the oldest that serve, then those that start. The Deployment replaces them with a cold start."""
    gpus_back_after_seconds: NotNegative = 0.0
    """How long their GPUs are missing from `gpuQuota`."""


class MonitoringSpec(DocumentModel):
    """How the autoscaler comes to see the fleet."""

    scrape_interval_seconds: Positive = 15.0
    """Between two samples."""
    scrape_phase_seconds: NotNegative = 7.5
    """When the first sample is taken: with decisions at whole intervals, each sees samples of this age or more."""
    rate_window_seconds: Positive = 120.0
    """Of rates and latency quantiles."""
    stale_after_seconds: Positive = 45.0
    """A sample older than this is no evidence: to scrape less often than that is to see nothing at times."""
    decision_interval_seconds: Positive = 15.0
    """Between two decisions."""

    @model_validator(mode="after")
    def _two_samples_in_a_window(self) -> Self:
        if self.rate_window_seconds < 2 * self.scrape_interval_seconds:
            needed = f"must be at least twice `scrapeIntervalSeconds` ({self.scrape_interval_seconds:g})"
            raise ValueError(f"`rateWindowSeconds` ({self.rate_window_seconds:g}) {needed}: a rate needs two samples")
        return self
