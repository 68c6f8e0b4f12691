"""One connection to Prometheus' query API: prometheus-api-client, with what it drops and what it leaves open.

It drops `warnings`, `infos` and the type of a result, retries in secret, has no deadline, and raises three unrelated
families of errors. Here: every request once, under a deadline for the whole of it, the envelope kept, and SourceError
for whatever goes wrong. Its `session` argument is the seam: the session is ours.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests.auth import AuthBase

from autoscaler.errors import SourceError
from autoscaler.sources.answer import parse_answer
from autoscaler.sources.body import read_body
from autoscaler.sources.reasons import brief, innermost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autoscaler.sources.answer import Answer
    from autoscaler.sources.credentials import Credentials


class QueryClient:
    """Asks one Prometheus, one query at a time: an instance belongs to one thread."""

    def __init__(self, url: str, credentials: Credentials, ca_file: Path | None = None) -> None:
        self._session = _Session()
        if ca_file is not None:
            self._session.verify = str(ca_file)
        self._connect = PrometheusConnect(
            url,
            # Unlike GET, POST is never retried by the layers below, and its errors keep Prometheus' own text.
            method="POST",
            retry=urllib3.Retry(0),
            session=self._session,
            auth=_Auth(credentials),  # type: ignore[arg-type]  # handed on to requests as it is
        )

    def query(self, promql: str, timeout_seconds: float) -> Answer:
        """Return the answer to an instant query; SourceError for every way in which it may fail."""
        self._session.answer = None
        try:
            self._connect.custom_query(
                promql,
                # Prometheus gives up too, rather than work on for nobody.
                params={"timeout": f"{max(1, round(timeout_seconds * 1000))}ms"},
                timeout=timeout_seconds,  # type: ignore[arg-type]  # handed on to requests as it is
            )
        except PrometheusApiClientException as error:
            raise SourceError(_refusal(self._session.answer)) from error
        except requests.Timeout as error:
            raise SourceError(f"no answer within {timeout_seconds:g} s") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceError(innermost(error)) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceError(_unreadable(self._session.answer)) from error
        return parse_answer(self._session.decoded())

    def close(self) -> None:
        """Close the connection."""
        self._connect.close()


class _Body(requests.Response):
    """A response read to its end, whose JSON is decoded once for two readers."""

    def __init__(self, status_code: int, content: bytes) -> None:
        super().__init__()
        self.status_code = status_code
        self.encoding = "utf-8"
        self.raw = io.BytesIO(content)
        self._decoded: Any = None

    def json(self, **_kwargs: Any) -> Any:  # noqa: ANN401 - JSON from the network
        if self._decoded is None:
            self._decoded = json.loads(self.content)
        return self._decoded


class _Session(requests.Session):
    """Keeps the last answer, reads it under a deadline, and follows no redirect: that way lie login pages."""

    answer: _Body | None = None

    def request(self, *args: Any, **kwargs: Any) -> _Body:  # noqa: ANN401 - as requests has it
        kwargs |= {"stream": True, "allow_redirects": False}
        response = super().request(*args, **kwargs)
        self.answer = _Body(response.status_code, read_body(response.raw, kwargs["timeout"]))
        return self.answer

    def decoded(self) -> Any:  # noqa: ANN401 - JSON from the network
        """Return the last answer's JSON; None without one."""
        return None if self.answer is None else self.answer.json()


class _Auth(AuthBase):
    """Puts the credentials of this moment into a request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if (token := self._credentials.token()) is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        elif (basic := self._credentials.user_and_password()) is not None:
            sign: Callable[..., requests.PreparedRequest] = requests.auth.HTTPBasicAuth(*basic)
            request = sign(request)
        return request


def _refusal(answer: _Body | None) -> str:
    """Return what the server said against the query: in Prometheus' own words if it has any."""
    if answer is None:
        return "no answer"
    try:
        envelope = answer.json()
        return f"HTTP {answer.status_code}, {envelope['errorType']}: {brief(envelope['error'])}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"HTTP {answer.status_code}: {brief(answer.text)}"


def _unreadable(answer: _Body | None) -> str:
    if answer is None:
        return "no answer"
    if re.match(r"\s*<", answer.text):
        return f"a web page in place of an answer (a login?): {brief(answer.text)}"
    return f"not an answer of Prometheus' query API: {brief(answer.text)}"
