"""Who we are to Prometheus: read from files for every request, because a projected token changes under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.errors import SourceError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


class Credentials(NamedTuple):
    """A bearer token or a user name with password, each in a file; none at all by default."""

    token_file: Path | None = None
    username_file: Path | None = None
    password_file: Path | None = None

    def check(self) -> None:
        """Raise UsageError unless at most one way is given, and that one wholly."""
        basic = (self.username_file is not None, self.password_file is not None)
        if any(basic) and not all(basic):
            raise UsageError("basic authentication needs both a username file and a password file")
        if any(basic) and self.token_file is not None:
            raise UsageError("a token file and basic authentication exclude each other")

    def token(self) -> str | None:
        """Return the token as it is now, or None if there is no token file."""
        return None if self.token_file is None else secret(self.token_file)

    def user_and_password(self) -> tuple[str, str] | None:
        """Return both as they are now, or None without basic authentication."""
        if self.username_file is None or self.password_file is None:
            return None
        return secret(self.username_file), secret(self.password_file)


def secret(path: Path) -> str:
    """Return the one line in a file; SourceError, which never repeats it, when that cannot stand in a header."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        # Without its cause: a decoding error carries the content.
        raise SourceError(f"credentials file {path}: {reason}") from None
    if not text or not text.isprintable():
        raise SourceError(f"credentials file {path}: one line of printable text expected")
    return text
