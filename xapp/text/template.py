"""ChatTemplate: turns a conversation into the text format that the model was trained on.

Templates come from the model file and are rendered in `sandbox`. The names in a template are those of Hugging
Face's `apply_chat_template`.
"""

import datetime
import json
from collections.abc import Sequence
from typing import Any, NoReturn

import jinja2

from xapp.domain.chat import TOOLS_ROLE, ChatMessage
from xapp.errors import InvalidArgument, ModelError
from xapp.text.budget import MAX_UNITS, Budget, measured, spending
from xapp.text.sandbox import FAULTS, Sandbox
from xapp.text.tool_turns import Mark, conversation, has_tools, unmarked

MAX_SOURCE_CHARS = 256 * 1024
ROLES = ("system", "user", "assistant", "tool")


class _Refused(jinja2.TemplateError):
    """The template refuses these messages."""


class ChatTemplate:
    """One compiled template. `name` is the name of the file, for messages.

    Raises ModelError (reason BAD_CHAT_TEMPLATE) for an invalid or forbidden template.
    """

    def __init__(self, source: str, *, name: str, bos: str = "", eos: str = "") -> None:
        self._name = name
        self._has_tools = has_tools(source)
        self._tokens = {"bos_token": bos, "eos_token": eos}
        if len(source) > MAX_SOURCE_CHARS:
            raise self._error(f"has {len(source)} characters, more than {MAX_SOURCE_CHARS}")
        try:
            with spending(Budget()):
                self._template = _sandbox().from_string(source)
        except FAULTS as error:
            raise self._error(_describe(error)) from error

    def render(self, messages: Sequence[ChatMessage], mark: Mark = unmarked) -> str:
        """The prompt, open for the assistant's answer. `mark` is applied to each text of a caller.

        Raises InvalidArgument with field `chat` for messages that the template refuses, and
        ModelError when the template itself fails.
        """
        check_messages(messages)
        tools, turns = conversation(messages, by_template=self._has_tools, mark=mark)
        num_chars = sum(message.num_chars for message in messages)
        try:
            with spending(Budget(MAX_UNITS + num_chars)):
                return self._render(turns, tools)
        except _Refused as error:
            raise InvalidArgument("chat", f"the model's chat template refuses it: {error}") from error
        except FAULTS as error:
            raise self._error(_describe(error)) from error

    def _render(self, turns: list[dict[str, Any]], tools: list[Any] | None) -> str:
        return self._template.render(
            messages=turns, add_generation_prompt=True, tools=tools, documents=None, **self._tokens
        )

    def _error(self, message: str) -> ModelError:
        return ModelError(f"{self._name}: chat template: {message}", reason="BAD_CHAT_TEMPLATE")


def check_messages(messages: Sequence[ChatMessage]) -> None:
    """Raises InvalidArgument when there is no message, or a role is unknown."""
    if not messages:
        raise InvalidArgument("chat.messages", "at least one message is needed")
    for index, message in enumerate(messages):
        if message.role not in ROLES and not (index == 0 and message.role == TOOLS_ROLE):
            raise InvalidArgument(
                f"chat.messages[{index}].role", f"{message.role!r} is none of {', '.join(ROLES)}"
            )


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _sandbox() -> Sandbox:
    filters = {"tojson": _to_json}
    return Sandbox(filters, {"raise_exception": _raise_exception, "strftime_now": _strftime_now})


def _raise_exception(message: object) -> NoReturn:
    raise _Refused(str(message)[:300])


def _strftime_now(form: str) -> str:
    if len(form) > 64 or any(char.isdigit() for char in form):
        raise ValueError("strftime_now: the format is too long or has a width")
    return datetime.datetime.now().astimezone().strftime(form)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **_options: Any) -> str:
    """JSON without escapes for HTML, which Jinja's own filter adds."""
    if indent is not None and not 0 <= indent <= 8:
        raise ValueError("tojson: indent must be 0 to 8")
    result: str = measured(json.dumps(measured(value), ensure_ascii=ensure_ascii, indent=indent))
    return result
