"""The file of a loaded model, and whether it has changed since.

A worker maps its file into memory. A file that replaces it does not affect the running worker, but the next
worker would load the new file. Writes to the same file change the memory of the running worker.
"""

import enum
from collections.abc import Callable
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.mark import Mark, are_there, in_place


class FileChange(enum.StrEnum):
    """A change of the file. The value completes the warning "PATH: …"."""

    NONE = ""
    REPLACED = "another file is in its place, which is loaded when the worker starts again"
    WRITTEN = "it was written to while it is in use"
    GONE = "it is gone: its worker goes on, but no other could be started"


class ServedFile:
    """One model's file. `look` reads its mark, which takes no time."""

    def __init__(self, path: Path, look: Callable[[Path], Mark]) -> None:
        self.path = path
        self._look = look
        self.mark: Mark = ()
        self.take()

    def take(self) -> None:
        """Accepts the present file as the loaded file."""
        self.mark = self.now()

    def now(self) -> Mark:
        """The mark of the present file."""
        return self._look(self.path)

    @property
    def change(self) -> FileChange:
        """The change since `take`."""
        now = self.now()
        if now == self.mark:
            return FileChange.NONE
        if not are_there(now):
            return FileChange.GONE
        return FileChange.WRITTEN if in_place(self.mark, now) else FileChange.REPLACED

    def check(self) -> None:
        """Raises ModelError, reason MODEL_FILE_CHANGED, if the file has changed."""
        if self.change is not FileChange.NONE:
            text = f"{self.path} is not the file that was loaded: it is loaded anew"
            raise ModelError(text, reason="MODEL_FILE_CHANGED", metadata={"file": str(self.path)})
