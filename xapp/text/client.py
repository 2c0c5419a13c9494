"""TextClient: the server's end of one text process. `model_text` decides what it is asked, and in which
order.
"""

import signal
import sys
from collections.abc import Callable, Sequence

from xapp.errors import ModelError, Unavailable
from xapp.text.messages import (
    Broke,
    Checked,
    FromText,
    Loaded,
    LoadFailed,
    Refused,
    Rendered,
    TextsRead,
    Tokens,
    ToText,
    decode_from_text,
)
from xapp.workers.process_client import ProcessClient

TEXT_COMMAND = (sys.executable, "-m", "xapp.text.process")
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGPROF)

Reply = Tokens | TextsRead | Rendered | Checked | Refused | Broke


class TextClient(ProcessClient[Loaded]):
    """Calls `on_reply` for each answer, and `on_end` at the end of the process.

    `fingerprint` is that of the process before. A process that would tokenize differently is refused.
    """

    def __init__(
        self,
        model_path: str,
        on_reply: Callable[[Reply], None],
        on_end: Callable[[Unavailable], None],
        command: Sequence[str] = TEXT_COMMAND,
        fingerprint: bytes | None = None,
    ) -> None:
        super().__init__("text process", model_path, command, (model_path,))
        self._on_reply = on_reply
        self._report_end = on_end
        self._fingerprint = fingerprint
        self._has_answered = False

    @property
    def has_answered(self) -> bool:
        """Whether a text was answered."""
        return self._has_answered

    @property
    def running(self) -> bool:
        """Whether it takes requests."""
        return not self._closing and self._reaper is None and self._ready.done()

    @property
    def crash(self) -> str:
        """The signal by which a text ended the process; "" for another end, or none.

        SIGPROF comes from `limits.limited_time`.
        """
        code = self._process.returncode if self._process is not None else None
        return signal.Signals(-code).name if code is not None and -code in _CRASHES else ""

    def send(self, request: ToText) -> None:
        """Sends a request. Raises Unavailable when the process cannot take it."""
        self._check_room()
        self._send(request)

    def _decode(self, body: bytes) -> FromText:
        return decode_from_text(body)

    def _on_message(self, message: FromText) -> None:
        if isinstance(message, Loaded):
            if not self._ready.done():
                self._on_loaded(message)
        elif isinstance(message, LoadFailed):
            if not self._ready.done():
                self._ready.set_exception(ModelError(message.message, reason=message.reason))
        else:
            self._has_answered = True
            self._on_reply(message)

    def _on_loaded(self, loaded: Loaded) -> None:
        if self._fingerprint in {None, loaded.fingerprint}:
            self._ready.set_result(loaded)
            return
        text = (
            f"{self._model_path} is not the file that was loaded: its vocabulary or chat template has changed"
        )
        self._ready.set_exception(ModelError(text, reason="MODEL_FILE_CHANGED"))

    def _on_end(self, error: Unavailable) -> None:
        self._report_end(error)
