"""Policies from a file or a folder of JSON files: a ConfigMap, or files of an RMR sidecar.

A file has the payload, and its name is the instance's id; or it has A1's request as it came over RMR:

    {"operation": "CREATE", "policy_type_id": "21100", "policy_instance_id": "p1", "payload": "{…}"}

Files are read whole at each look: a ConfigMap is swapped behind a link, and small.
"""

import asyncio
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.ric.policy_source import Found, SourceError, check_number, is_instance_id
from xapp.ric.policy_type import MAX_PAYLOAD_BYTES, PolicyError, decode, read_id

KEY = "XAPP_RIC_POLICIES"
LOOK_S = 1.0
_SUFFIX = ".json"
_DELETE = "DELETE"


class PolicyFiles:
    """`path` is a file, or a folder of `*.json` files. Names that begin with a dot are left out."""

    period_s = LOOK_S

    def __init__(self, path: Path, type_id: int) -> None:
        """Raises ConfigError when `path` does not exist. If it disappears later, the last policies stay."""
        if not path.exists():
            raise ConfigError(KEY, f"{path} is not there")
        self._path = path
        self._type_id = type_id
        self.name = str(path)

    async def read(self) -> Found:
        """Reads all policies. Raises SourceError when the folder, or the only file, cannot be read."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Found:
        found: dict[str, Any | PolicyError] = {}
        for file in self._files():
            if (entry := self._entry(file)) is not None:
                found.update([entry])
        return found

    def _files(self) -> list[Path]:
        try:
            if self._path.is_dir():
                named = (each for each in self._path.iterdir() if not each.name.startswith("."))
                files = sorted(each for each in named if each.suffix == _SUFFIX)
            else:
                files = [self._path.resolve(strict=True)]
        except (OSError, RuntimeError) as error:
            raise SourceError(f"cannot be read: {error}") from error
        check_number(len(files))
        return files

    def _entry(self, file: Path) -> tuple[str, Any] | None:
        try:
            return self._opened(file.stem, decode(_bytes(file)))
        except PolicyError as error:
            return file.stem, error

    def _opened(self, name: str, document: Any) -> tuple[str, Any] | None:
        """The payload, out of the request's envelope if there is one; None for a deleted policy."""
        if not isinstance(document, dict) or "payload" not in document:
            return name, document
        instance, type_id = document.get("policy_instance_id", name), document.get("policy_type_id")
        if not is_instance_id(instance):
            raise PolicyError("policy_instance_id: is no name")
        if document.get("operation") == _DELETE:
            return None
        try:
            if type_id is not None and read_id(type_id) != self._type_id:
                raise PolicyError(f"policy_type_id: is {read_id(type_id)}, served is {self._type_id}")
        except PolicyError as error:
            return instance, error
        return instance, document["payload"]


def _bytes(file: Path) -> bytes:
    if file.exists() and not file.is_file():
        raise PolicyError("is no file")
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_PAYLOAD_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"cannot be read: {error.strerror}") from error
