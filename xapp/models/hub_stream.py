"""One transfer of one file from the hub into a partial file. `hub` decides about further tries."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, yet not marked as exported
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from xapp.errors import ModelError
from xapp.models.transfer import Progress, raise_for_disk

READ_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """The hub's facts: `sha256` in hex, `size` in bytes, `url` with the `commit`. `source` is the name for
    people and for `models pull`: hf:REPO/FILE.
    """

    source: str
    commit: str
    sha256: str
    size: int
    url: str


class Dropped(Exception):
    """The transfer ended early. The bytes that came are kept, and another try may help."""


def fetch_rest(remote: RemoteFile, partial: Path, start: int, progress: Progress) -> None:
    """Appends the bytes from `start` on.

    Raises Dropped, the hub library's HTTP errors, or ModelError for a fault that no further try can mend.
    """
    # The hub is asked each time: the storage address that it redirects to expires.
    headers = build_hf_headers() | {"accept-encoding": "identity"}
    if start:
        headers["range"] = f"bytes={start}-"
    with get_session().stream(
        "GET", remote.url, headers=headers, follow_redirects=True, timeout=READ_TIMEOUT_S
    ) as response:
        if response.status_code == 416:
            partial.unlink(missing_ok=True)
            raise Dropped("the hub has no such range, starting over")
        hf_raise_for_status(response)
        offset = start if response.status_code == 206 else 0
        _check_length(response.headers, remote, partial, offset)
        _write(remote, partial, offset, response.iter_bytes(), progress)


def _check_length(headers: Mapping[str, str], remote: RemoteFile, partial: Path, offset: int) -> None:
    """Refuses a size or a position that contradicts the hub's earlier facts."""
    length = headers.get("content-length", "")
    total = offset + int(length) if length.isdigit() else remote.size
    if match := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", "")):
        total = int(match[2]) if match[2] != "*" else total
        if int(match[1]) != offset:
            raise ModelError(f"{remote.source}: asked from byte {offset:,}, the hub sends from {match[1]}")
    if total != remote.size:
        raise _wrong_size(remote, partial, f"{total:,}")


def _wrong_size(remote: RemoteFile, partial: Path, sent: str) -> ModelError:
    partial.unlink(missing_ok=True)
    text = f"{remote.source}: the hub says {remote.size:,} bytes but sends {sent}"
    return ModelError(text, reason="WRONG_SIZE")


def _write(
    remote: RemoteFile, partial: Path, offset: int, chunks: Iterator[bytes], progress: Progress
) -> None:
    done = offset
    with _opened(remote, partial, offset) as file:
        for chunk in chunks:
            if done + len(chunk) > remote.size:
                raise _wrong_size(remote, partial, "more")
            _write_chunk(file, chunk, remote, partial)
            done += len(chunk)
            progress.update("fetching", done, remote.size)
    if done < remote.size:
        raise Dropped(f"the transfer ended at {done:,} of {remote.size:,} bytes")


@contextmanager
def _opened(remote: RemoteFile, partial: Path, offset: int) -> Iterator[FileIO]:
    """Opens unbuffered: a full disk shows at the write, and a lost connection loses no byte that came."""
    try:
        file = partial.open("r+b" if partial.exists() else "w+b", buffering=0)
    except OSError as error:
        raise_for_disk(error, partial.parent, remote.size - offset, remote.source)
    with file:
        file.truncate(offset)
        file.seek(offset)
        yield file


def _write_chunk(file: FileIO, chunk: bytes, remote: RemoteFile, partial: Path) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as error:
        partial.unlink(missing_ok=True)  # a full disk harms the whole node: free the space
        raise_for_disk(error, partial.parent, remote.size, remote.source)
