"""Contents of files, read again when the files change. The last good reading stays until the next
good one.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from xapp import logs
from xapp.errors import ConfigError
from xapp.failpoints import guard

LOOK_S = 1.0

_T = TypeVar("_T")
_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]
_log = logging.getLogger(__name__)


class Reloaded(Generic[_T]):
    """`value` is the result of `read`. `what` names it in the log.

    Files are compared by inode, size and time: a Secret's folder is swapped as a whole, behind a link.
    """

    def __init__(self, what: str, paths: Sequence[Path], read: Callable[[], _T]) -> None:
        """Raises the error of `read`: a ConfigError with the key."""
        self._what = what
        self._paths = paths
        self._read = guard("tls_reload", read, lambda: ConfigError(what, "failpoint tls_reload"))
        self._stamp = self._look()
        self.value = read()

    async def watch(self) -> None:
        """Looks for changes until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.check()

    async def check(self) -> None:
        """Reads the files if they have changed. A reading that cannot be used is logged once for
        each change.
        """
        stamp = await asyncio.to_thread(self._look)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.value = await asyncio.to_thread(self._read)
        except ConfigError as error:
            self._say_kept(error.message, None)
        except Exception as error:  # noqa: BLE001  a defect: without this the files would be watched no more
            self._say_kept("internal error", error)
        else:
            logs.event(_log, f"{self._what} read again", {"event": "security_reloaded", "what": self._what})

    def _say_kept(self, why: str, defect: Exception | None) -> None:
        fields: dict[str, object] = {"event": "security_not_reloaded", "what": self._what}
        text = f"{self._what} stays as it was: {why}"
        logs.event(_log, text, fields, level=logging.ERROR, error=defect)

    def _look(self) -> _Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
