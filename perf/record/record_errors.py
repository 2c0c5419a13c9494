"""What can be wrong with a result file or its journal."""

from pathlib import Path


class RecordError(Exception):
    """A result file or a journal that cannot be read, written or resumed; the message names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
