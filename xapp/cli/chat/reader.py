"""Reads questions on a terminal: history, several lines, completion of commands."""

import os
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.validation import Validator

from xapp.cli.chat.commands import COMMANDS
from xapp.text_file import is_utf8

_PROMPT = "> "
_NO_TEXT = "bytes that are not UTF-8 cannot be sent"
_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK


def history_file() -> Path:
    """Where questions are kept between conversations, by the rules of the XDG base directories."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "genai-xapp" / "chat_history"


class Reader:
    """Raises EOFError on Ctrl-D, KeyboardInterrupt on Ctrl-C."""

    def __init__(self) -> None:
        completer = WordCompleter([f"/{name}" for name in COMMANDS], sentence=True)
        self._session: PromptSession[str] = PromptSession(
            history=_history(history_file()),
            key_bindings=_keys(),
            validator=Validator.from_callable(is_utf8, _NO_TEXT, move_cursor_to_end=True),
            validate_while_typing=False,
            completer=completer,
            complete_while_typing=False,
            multiline=True,
            prompt_continuation="  ",
        )

    async def read(self) -> str:
        """The next question, which may have several lines."""
        return await self._session.prompt_async(_PROMPT)


def _keys() -> KeyBindings:
    """Enter sends; Alt-Enter begins a new line. A text that is pasted keeps its lines."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history(path: Path) -> History:
    """The file is for its owner only: questions are private. Nothing is kept where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, _APPENDING, mode=0o600))
    except OSError:
        return InMemoryHistory()
    return _KeptHistory(str(path))


class _KeptHistory(FileHistory):
    """A question that finds no room on the disk is asked all the same."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)
