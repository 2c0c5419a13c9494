"""What is fuzzed: each target takes any bytes. It returns, or raises an error that names what is wrong.

Anything else is a defect: another exception, a hang, memory without a bound. No target needs a model.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from xapp.domain.chat import ChatMessage
from xapp.domain.format_kinds import Grammar, JsonSchema
from xapp.errors import XappError
from xapp.formats.prepare import prepare
from xapp.gateway.chat_request import read_chat
from xapp.gateway.completion_request import read_completion
from xapp.gateway.to_request import Asker
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import verification_pb2 as vpb
from xapp.models.info import read_gguf
from xapp.security.principal import ANONYMOUS
from xapp.server.convert.requests import to_estimated, to_request
from xapp.server.score import to_score
from xapp.server.verification import to_drafted, to_opening
from xapp.server.wire import has_too_many_fields
from xapp.tasks.folder import Snapshot, read_tasks
from xapp.text.template import ChatTemplate

REFUSALS = (XappError, DecodeError)
_CHAT = (ChatMessage("system", "Be brief."), ChatMessage("user", "What is O-RAN?"))
_ASKER = Asker(ANONYMOUS, {}, "fuzz")

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}


def target(function: Target) -> Target:
    """Adds a target. Its errors that name what is wrong are no defects."""

    def refusing(data: bytes) -> None:
        try:
            function(data)
        except REFUSALS:
            return

    TARGETS[function.__name__] = refusing
    return function


def _message(kind: Any, data: bytes) -> Any:
    """The message, as the server reads it."""
    if has_too_many_fields(data, kind.DESCRIPTOR):
        raise DecodeError
    return kind.FromString(data)


@target
def generate_request(data: bytes) -> None:
    """GenerateRequest on the wire."""
    to_request(_message(pb.GenerateRequest, data), "fuzz", None)


@target
def score_request(data: bytes) -> None:
    """ScoreRequest on the wire."""
    to_score(_message(pb.ScoreRequest, data), "fuzz", None)


@target
def estimate_request(data: bytes) -> None:
    """EstimateRequest on the wire."""
    to_estimated(_message(pb.EstimateRequest, data), None, ANONYMOUS)


@target
def verify_request(data: bytes) -> None:
    """VerifyRequest on the wire."""
    message = _message(vpb.VerifyRequest, data)
    if message.WhichOneof("message") == "verify":
        to_drafted(message)
    else:
        to_opening(message, None, ANONYMOUS)


@target
def chat_body(data: bytes) -> None:
    """The body of a chat completion over HTTP."""
    read_chat(data, _ASKER)


@target
def completion_body(data: bytes) -> None:
    """The body of a plain completion over HTTP."""
    read_completion(data, _ASKER)


@target
def gguf_header(data: bytes) -> None:
    """A model file."""
    with tempfile.NamedTemporaryFile(suffix=".gguf", dir="/dev/shm") as file:
        file.write(data)
        file.flush()
        read_gguf(Path(file.name))


@target
def task_file(data: bytes) -> None:
    """A file of a task."""
    read_tasks(Snapshot((("fuzz.yaml", data),)))


@target
def json_schema(data: bytes) -> None:
    """The schema of an answer."""
    prepare(JsonSchema(data.decode(errors="replace")))


@target
def grammar(data: bytes) -> None:
    """The grammar of an answer."""
    prepare(Grammar(data.decode(errors="replace")))


@target
def chat_template(data: bytes) -> None:
    """A model's chat template."""
    ChatTemplate(data.decode(errors="replace"), name="fuzz").render(_CHAT)
