"""The story that the sandbox tells: half an hour of traffic in chapters, the same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRID_SECONDS = 1.0


class Chapter(NamedTuple):
    """A stretch of the story in which the rate goes from one value to another in a straight line."""

    name: str
    """One word, for the progress bar."""
    caption: str
    """What to watch, in one line of a narrow terminal."""
    seconds: float
    rate_from: float
    """Requests per second at its start."""
    rate_to: float
    """Requests per second at its end."""
    burst: int = 0
    """Requests that arrive together at its very start."""


class Lengths(NamedTuple):
    """Log-normal numbers of tokens, cut at a limit."""

    median: float
    sigma: float
    limit: int


PROMPT = Lengths(median=700.0, sigma=0.7, limit=4000)
OUTPUT = Lengths(median=160.0, sigma=0.6, limit=800)
"""About a chat's: means of 890 and 190 tokens."""

PEAK_RATE = 9.0

STORY: tuple[Chapter, ...] = (
    Chapter("quiet", "A little traffic: one replica is enough.", 90.0, 1.2, 1.2),
    Chapter("rise", "Traffic rises eightfold. New replicas must load their model first.", 240.0, 1.2, PEAK_RATE),
    Chapter("peak", "It stays high: the new replicas are ready, queue and P99 recover.", 330.0, PEAK_RATE, PEAK_RATE),
    Chapter("fall", "Traffic falls. Nothing is lowered before the window has passed.", 180.0, PEAK_RATE, 0.0),
    Chapter("idle", "No traffic at all: down to one, and by the idle timer to zero.", 480.0, 0.0, 0.0),
    Chapter("wake", "A request waits at the gateway: the target wakes.", 210.0, 0.0, 0.0, burst=1),
    Chapter("again", "Served again, after one cold start.", 270.0, 1.2, 1.2),
)


class Arrivals(NamedTuple):
    """Requests in the order of their arrival."""

    seconds: NDArray[np.float64]
    """Since the start of the story."""
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]


def story_seconds(story: tuple[Chapter, ...] = STORY) -> float:
    """Return how long the story takes, in simulated seconds."""
    return sum(chapter.seconds for chapter in story)


def chapter_at(seconds: float, story: tuple[Chapter, ...] = STORY) -> int:
    """Return the index of the chapter at that second; the story starts again when it has ended."""
    rest = seconds % story_seconds(story)
    for index, chapter in enumerate(story):
        if rest < chapter.seconds:
            return index
        rest -= chapter.seconds
    return len(story) - 1


def chapter_start(seconds: float, story: tuple[Chapter, ...] = STORY) -> float:
    """Return when the chapter at that second began, in seconds since the first telling."""
    told = seconds - seconds % story_seconds(story)
    return told + sum(chapter.seconds for chapter in story[: chapter_at(seconds, story)])


def generate(seed: int, until_seconds: float, story: tuple[Chapter, ...] = STORY) -> Arrivals:
    """Return all requests before `until_seconds`, the story repeated as often as it takes.

    A Poisson process whose rate is the chapters': unit-rate arrivals, put through the inverse of the rate's integral.
    """
    length = story_seconds(story)
    rounds = [_telling(seed, index, story) for index in range(int(np.ceil(until_seconds / length)))]
    seconds, prompts, outputs = (np.concatenate(column) for column in zip(*rounds, strict=True))
    kept = seconds < until_seconds
    return Arrivals(seconds[kept], prompts[kept], outputs[kept])


def _telling(seed: int, index: int, story: tuple[Chapter, ...]) -> Arrivals:
    """Return one telling, shifted to its place; its random numbers are its own, whatever comes before or after."""
    random = np.random.default_rng((seed, index))
    seconds = draw_seconds(random, story) + index * story_seconds(story)
    return Arrivals(seconds, draw_lengths(random, PROMPT, seconds.size), draw_lengths(random, OUTPUT, seconds.size))


def draw_seconds(random: np.random.Generator, story: tuple[Chapter, ...] = STORY) -> NDArray[np.float64]:
    """Return the arrivals of one telling, in seconds since its start."""
    starts = np.cumsum([0.0, *(chapter.seconds for chapter in story)])
    grid = np.arange(0.0, starts[-1] + _GRID_SECONDS, _GRID_SECONDS)
    middle = (grid[:-1] + grid[1:]) / 2
    which = np.clip(np.searchsorted(starts, middle, side="right") - 1, 0, len(story) - 1)
    progress = (middle - starts[which]) / np.array([chapter.seconds for chapter in story])[which]
    rate_from = np.array([chapter.rate_from for chapter in story])[which]
    rate_to = np.array([chapter.rate_to for chapter in story])[which]
    integral = np.concatenate([[0.0], np.cumsum((rate_from + progress * (rate_to - rate_from)) * _GRID_SECONDS)])
    marks = np.sort(random.uniform(0.0, integral[-1], random.poisson(integral[-1])))
    bursts = np.repeat(starts[:-1], [chapter.burst for chapter in story])
    return np.sort(np.concatenate([np.interp(marks, integral, grid), bursts]))


def draw_lengths(random: np.random.Generator, lengths: Lengths, count: int) -> NDArray[np.int64]:
    """Return `count` numbers of tokens, each at least 1."""
    tokens = random.lognormal(np.log(lengths.median), lengths.sigma, count)
    return np.clip(tokens, 1, lengths.limit).astype(np.int64)
