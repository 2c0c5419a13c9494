"""One file of the model hub: its facts, and its bytes, resumed where a transfer stopped.

huggingface_hub gives addresses, metadata, credentials and the HTTP client. The streaming is this module's,
because huggingface_hub's downloader keeps a cache tree, and a node wants one file in a flat folder.
HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE count as they do for huggingface_hub.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # whichever httpx it is built on

from xapp.errors import ModelError
from xapp.models.hub_names import HubName
from xapp.models.hub_stream import Dropped, RemoteFile, fetch_rest
from xapp.models.transfer import Backoff, Progress

PROGRESS_BYTES = 1 << 20
"""After this many new bytes, a lost connection counts as the first again: a slow line that moves is not given
up.
"""

_LOCATE_ATTEMPTS = 3
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub at `endpoint`; None: the hub of HF_ENDPOINT, else the public hub."""

    progress: Progress
    backoff: Backoff
    endpoint: str | None = None

    def locate(self, repo: str, file: str, revision: str | None) -> RemoteFile:
        """Asks for size and sha256. Raises ModelError, also if the hub states no sha256."""
        what = HubName(repo, file).source
        with _explained(what, revision):
            url = hf_hub_url(repo, file, revision=revision, endpoint=self.endpoint)
            facts = self._persistently(lambda: get_hf_file_metadata(url, endpoint=self.endpoint))
        if facts.size is None or not re.fullmatch("[0-9a-f]{64}", facts.etag or ""):
            text = f"{what}: the hub states no size and sha256, so a copy could not be checked"
            raise ModelError(text, reason="NO_HASH")
        commit = facts.commit_hash or revision or "main"
        pinned = hf_hub_url(repo, file, revision=commit, endpoint=self.endpoint)
        return RemoteFile(what, commit, facts.etag or "", facts.size, pinned)

    def download(self, remote: RemoteFile, partial: Path) -> None:
        """Completes `partial` to the stated size, from its present end.

        Raises ModelError: the hub refuses, cannot be reached or sends another size, or the disk is full.
        """
        failures, mark = 0, _size(partial)
        with _explained(remote.source, remote.commit):
            while _size(partial) < remote.size or not partial.exists():
                try:
                    fetch_rest(remote, partial, _size(partial), self.progress)
                except (Dropped, httpx.TransportError, HfHubHTTPError) as error:
                    _raise_unless_passing(error)
                    failures = 1 if _size(partial) - mark >= PROGRESS_BYTES else failures + 1
                    mark = _size(partial)
                    if failures >= self.backoff.attempts:
                        raise
                    self.backoff.wait(failures, f"{remote.source}: {_short(error)}", self.progress)

    def _persistently(self, ask: Callable[[], _T]) -> _T:
        """With few attempts: a person should not wait long for a name that does not resolve."""
        for failures in range(1, min(_LOCATE_ATTEMPTS, self.backoff.attempts)):
            try:
                return ask()
            except (httpx.TransportError, HfHubHTTPError) as error:
                _raise_unless_passing(error)
                self.backoff.wait(failures, f"the hub: {_short(error)}", self.progress)
        return ask()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _short(error: Exception) -> str:
    """The message in one line, without addresses."""
    status = _status(error)
    return f"HTTP {status}" if status else (str(error).splitlines() or [type(error).__name__])[0]


def _status(error: Exception) -> int:
    response = error.response if isinstance(error, HfHubHTTPError) else None
    return response.status_code if response is not None else 0


def _raise_unless_passing(error: Exception) -> None:
    if isinstance(error, HfHubHTTPError) and _status(error) not in _PASSING:
        raise error


@contextmanager
def _explained(what: str, revision: str | None) -> Iterator[None]:
    """Turns the hub library's errors into ModelErrors that say what to do."""
    try:
        yield
    except HFValidationError as error:
        raise ModelError(f"{what}: not a repository of the hub: {error}", reason="NOT_ON_HUB") from error
    except OfflineModeIsEnabled as error:
        raise ModelError(f"{what}: HF_HUB_OFFLINE is set, so nothing is fetched", reason="OFFLINE") from error
    except HfHubHTTPError as error:
        raise _refused(what, revision, error) from error
    except (Dropped, httpx.HTTPError, httpx.InvalidURL) as error:
        text = f"{what}: cannot fetch it from the hub: {_short(error)}; what has come is kept"
        raise ModelError(text, reason="HUB_UNREACHABLE") from error


def _refused(what: str, revision: str | None, error: HfHubHTTPError) -> ModelError:
    status = _status(error)
    if isinstance(error, RevisionNotFoundError):
        return ModelError(f"{what}: the repository has no revision {revision!r}", reason="NOT_ON_HUB")
    if isinstance(error, EntryNotFoundError):
        return ModelError(f"{what}: the repository has no such file", reason="NOT_ON_HUB")
    if isinstance(error, GatedRepoError) or status in (401, 403):
        return ModelError(
            f"{what}: the hub refuses ({status}): the model is gated or private, or does not exist. "
            "Accept its licence on the model's page, then set HF_TOKEN to a token that may read it",
            reason="HUB_REFUSES",
        )
    if status == 404:
        return ModelError(f"{what}: the hub does not know it (404)", reason="NOT_ON_HUB")
    return ModelError(f"{what}: the hub answers {status or _short(error)}", reason="HUB_UNREACHABLE")
