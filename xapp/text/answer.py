"""The answer to one request of the server: text to tokens, a rendered template, a check of JSON."""

from array import array
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from xapp.domain.chat import ChatMessage, ToolCall
from xapp.domain.messages import MAX_FRAME_BYTES, encode
from xapp.domain.prefix import common_prefix
from xapp.errors import InvalidArgument, ModelError
from xapp.text.messages import (
    Broke,
    Check,
    Checked,
    Ids,
    Read,
    ReadTexts,
    Refused,
    Render,
    Rendered,
    TextsRead,
    Tokens,
    ToText,
    Turn,
)

if TYPE_CHECKING:
    from xapp.text.codec import TextCodec


def answer(codec: "TextCodec", request: ToText) -> bytes:
    """The answer as one frame."""
    try:
        frame = encode(_answer(codec, request))
    except InvalidArgument as error:
        return encode(Refused(request.request_id, error.field, error.description, error.reason))
    except ModelError as error:
        return encode(Refused(request.request_id, "", error.message, error.reason))
    except MemoryError:
        return encode(Broke(request.request_id, "it takes too much memory"))
    except RecursionError:
        return encode(Broke(request.request_id, "it nests too deep"))
    if len(frame) > MAX_FRAME_BYTES:
        return encode(Broke(request.request_id, "it makes too much of it"))
    return frame


def _answer(codec: "TextCodec", request: ToText) -> Tokens | TextsRead | Rendered | Checked:
    match request:
        case Render():
            return _render(request)
        case Check():
            return _check(request)
        case ReadTexts():
            lists = (codec.encode_text(_text(text)) for text in request.texts)
            return TextsRead(request.request_id, [_cut(each, request.most) for each in lists])
        case Read():
            return _tokens(codec, request)


def _render(request: Render) -> Rendered:
    from xapp.text.task_template import render  # noqa: PLC0415  a node whose tasks are not asked needs none

    return Rendered(request.request_id, render(request.template, request.inputs).encode(errors="replace"))


def _check(request: Check) -> Checked:
    validate = import_validate()
    faults = [validate.validator_of(schema).fault_of_text(_text(text)) for schema, text in request.pairs]
    return Checked(request.request_id, faults)


def import_validate() -> ModuleType:
    """Takes 10 MB and 0.1 s, which a node without schemas saves. A fork inherits the import of its parent."""
    from xapp.formats import validate  # noqa: PLC0415

    return validate


def _tokens(codec: "TextCodec", request: Read) -> Tokens:
    return Tokens(request.request_id, _packed(_read(codec, request)))


def _read(codec: "TextCodec", request: Read) -> list[list[int]]:
    choices = None if request.choices is None else ["", *map(_text, request.choices)]
    if request.text is not None:
        text = _text(request.text)
        return [codec.encode(text + choice) for choice in choices or ("",)]
    turns = [_message(turn) for turn in request.turns]
    return [codec.encode_chat(turns)] if choices is None else codec.encode_answers(turns, choices)


def _cut(tokens: list[int], most: int) -> tuple[bytes, int]:
    """The tokens, without the middle where there are more than twice `most`."""
    num_dropped = max(0, len(tokens) - 2 * most)
    kept = [*tokens[:most], *tokens[-most:]] if num_dropped else tokens
    return array("i", kept).tobytes(), num_dropped


def _message(turn: Turn) -> ChatMessage:
    calls = (ToolCall(id_, name, _text(arguments)) for id_, name, arguments in turn.calls)
    return ChatMessage(turn.role, _text(turn.content), tuple(calls), turn.call_id)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _packed(lists: Sequence[list[int]]) -> list[Ids]:
    """The lists, with the beginning that a choice shares with the prompt sent once."""
    first = lists[0]
    shares = [0, *(common_prefix(first, each) for each in lists[1:])]
    return [Ids(share, array("i", each[share:]).tobytes()) for share, each in zip(shares, lists, strict=True)]
