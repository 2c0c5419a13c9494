"""The file of a loaded model: is it still the one that was loaded?

A worker maps its file into memory. A file that is put in the place of another changes nothing for it,
but its next start would read the new one. A file that is written to changes under its hands.
"""

import enum
from collections.abc import Callable
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.mark import Mark, are_there, in_place


class FileChange(enum.StrEnum):
    """What became of the file; the value says what it means to who uses the model."""

    NONE = ""
    REPLACED = "another file is in its place, which is loaded when the worker starts again"
    WRITTEN = "it was written to while it is in use"
    GONE = "it is gone: its worker goes on, but no other could be started"


class ServedFile:
    """One model's file. `look` reads its mark and takes no time."""

    def __init__(self, path: Path, look: Callable[[Path], Mark]) -> None:
        self.path = path
        self._look = look
        self.mark: Mark = ()
        self.take()

    def take(self) -> None:
        """What is there now is the file."""
        self.mark = self.now()

    def now(self) -> Mark:
        """The mark of what is there now."""
        return self._look(self.path)

    @property
    def change(self) -> FileChange:
        """Since `take`."""
        now = self.now()
        if now == self.mark:
            return FileChange.NONE
        if not are_there(now):
            return FileChange.GONE
        return FileChange.WRITTEN if in_place(self.mark, now) else FileChange.REPLACED

    def check(self) -> None:
        """Raises ModelError, reason MODEL_FILE_CHANGED, unless the file is as it was."""
        if self.change is not FileChange.NONE:
            text = f"{self.path} is not the file that was loaded: it is loaded anew"
            raise ModelError(text, reason="MODEL_FILE_CHANGED", metadata={"file": str(self.path)})
