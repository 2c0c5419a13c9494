"""How things of a run end: always, with a `with`, and processes by force if they must."""

import subprocess
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Ending(ABC):
    """A context manager that is closed at its end, whatever happened."""

    @abstractmethod
    def close(self) -> None:
        """Ends it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def wait_or_kill(process: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """Returns when the process has ended; SIGKILL after `patience_s` seconds."""
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
