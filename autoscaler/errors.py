"""Everything this package raises on purpose, split first by whether trying again can help.

AutoscalerError
├── PermanentError            the same call fails again: change the input
│   ├── UsageError            the command line or the settings are wrong        (exit code 2)
│   ├── DocumentError         a document, scenario or policy is wrong           (exit code 2)
│   └── TraceError            a traffic trace cannot be read                    (exit code 2)
└── RetryableError            the world may be different at the next tick
    ├── SourceError           Prometheus or a pod's /metrics did not answer as it should
    └── ClusterError          the API server did not answer as it should
        ├── ConflictError     somebody else changed the object first (HTTP 409)
        └── TargetMissing     the target does not exist
"""

from __future__ import annotations

from typing import NamedTuple


class AutoscalerError(Exception):
    """The root: catch this to catch all that is raised on purpose."""

    exit_code = 1


class PermanentError(AutoscalerError):
    """The same call fails again until its input changes."""


class RetryableError(AutoscalerError):
    """The next tick may succeed: hold, say why, and go on."""


class UsageError(PermanentError):
    """The command line or the daemon's settings are wrong."""

    exit_code = 2


HINT = "; did you mean "
"""What a hint at the end of a sentence begins with."""


class Problem(NamedTuple):
    """One thing that is wrong in one place of one file."""

    source: str
    """The file, and where it holds several documents, which of them."""
    path: str
    """The key path inside the document, such as `spec.rules[2].targetPerReplica`; empty for the whole document."""
    value: str
    """What stands there, as text; empty where nothing does."""
    allowed: str
    """What would be accepted; a hint at its end is told last, after what was found."""

    def __str__(self) -> str:
        where = f"{self.source}: {self.path}" if self.path else self.source
        allowed, hint, meant = self.allowed.partition(HINT)
        return f"{where}: {allowed}" + (f" (found {self.value})" if self.value else "") + hint + meant


class DocumentError(PermanentError):
    """One or more documents are wrong; `problems` lists every fault found, not only the first."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class TraceError(PermanentError):
    """A traffic trace cannot be read: the message names file, line, column and value."""

    exit_code = 2


class SourceError(RetryableError):
    """Prometheus or a pod's /metrics did not answer as it should."""


class ClusterError(RetryableError):
    """The API server did not answer as it should."""


class ConflictError(ClusterError):
    """The object changed between reading and writing (HTTP 409)."""


class TargetMissing(ClusterError):  # noqa: N818 - a state of the world, not a fault
    """The target does not exist."""
