"""The fields of POST /v1/audio/speech and of POST /v1/audio/transcriptions."""

import asyncio
import sys
from typing import Annotated, Literal

import msgspec
from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Meta

from xapp.errors import InvalidArgument
from xapp.gateway.bodies import Bodies
from xapp.gateway.fields import Unsupported, read_fields
from xapp.speech.audio.formats import AudioFormat, Encoding
from xapp.speech.languages import to_language
from xapp.speech.protocols import ListenOptions

MAX_INPUT_CHARS = 4096
_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 4096
_SPEECH_UNSUPPORTED = {
    "speed": Unsupported((1, 1.0), "speech has one speed"),
    "stream_format": Unsupported(("audio",), "audio is streamed as it is"),
    "instructions": Unsupported(("",), "voices take no instructions"),
}
_FORMATS = {"json", "text", "verbose_json", "srt", "vtt"}
_HARMLESS = {"temperature": {"0", "0.0"}, "prompt": {""}, "stream": {"false"}}
_FILE_ENCODINGS = {b"fLaC": Encoding.FLAC, b"OggS": Encoding.OGG_OPUS}


class SpeechFields(msgspec.Struct, frozen=True):
    """`model` names an engine, and `voice` a voice; the names of OpenAI's own take the usual voice."""

    input: Annotated[str, Meta(min_length=1, max_length=MAX_INPUT_CHARS)]
    model: str = ""
    voice: str = ""
    response_format: Literal["wav", "pcm", "flac", "opus"] = "wav"


class Transcription(msgspec.Struct, frozen=True):
    """The fields of a transcription. `words`: with their times."""

    file: bytes
    language: str = ""
    form: str = "json"
    words: bool = False

    @property
    def options(self) -> ListenOptions:
        """How to recognise. Raises InvalidArgument."""
        return ListenOptions(to_language("language", self.language), words=self.words)

    @property
    def format(self) -> AudioFormat:
        """By the first bytes of the file."""
        return AudioFormat(_FILE_ENCODINGS.get(self.file[:4], Encoding.PCM))


def read_speech(body: bytes) -> SpeechFields:
    """Raises InvalidArgument."""
    return read_fields(body, SpeechFields, _SPEECH_UNSUPPORTED)


async def read_transcription(request: web.Request, bodies: Bodies) -> Transcription:
    """The parts of the form. Raises InvalidArgument, and Exhausted where they do not arrive in time."""
    if request.content_type != "multipart/form-data":
        raise InvalidArgument("Content-Type", "is not multipart/form-data", reason="NOT_JSON")
    body = await bodies.receive(request)
    try:
        fields = await _read_parts(MultipartReader(request.headers, _stream_of(body)))
    except (ValueError, AssertionError, HttpProcessingError) as error:
        text = f"is no form: {type(error).__name__}"
        raise InvalidArgument("body", text, reason="MALFORMED_REQUEST") from error
    return _transcription(fields)


def _stream_of(body: bytes) -> StreamReader:
    """The body is here: aiohttp bounds neither the memory nor the time of a form that arrives."""
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), limit=len(body) + 1, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    return stream


async def _read_parts(parts: MultipartReader) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    async for part in parts:
        if not isinstance(part, BodyPartReader) or not part.name or len(fields) >= _MAX_FIELDS:
            raise InvalidArgument("body", f"has at most {_MAX_FIELDS} named parts, none of them nested")
        fields[part.name] = await _read_part(part, sys.maxsize if part.name == "file" else _MAX_FIELD_BYTES)
    return fields


async def _read_part(part: BodyPartReader, most: int) -> bytes:
    data = bytearray()
    while piece := await part.read_chunk():
        data += piece
        if len(data) > most:
            text = f"has more than {most:,} bytes"
            raise InvalidArgument(part.name or "body", text, reason="BODY_TOO_LARGE")
    return bytes(data)


def _transcription(fields: dict[str, bytes]) -> Transcription:
    if not fields.get("file"):
        raise InvalidArgument("file", "is missing or empty")
    texts = {name: value.decode(errors="replace") for name, value in fields.items() if name != "file"}
    for name, value in texts.items():
        if name in _HARMLESS and value not in _HARMLESS[name]:
            raise InvalidArgument(name, "is not supported by this service", reason="UNSUPPORTED_FIELD")
    form = texts.get("response_format", "json")
    if form not in _FORMATS:
        raise InvalidArgument("response_format", f"{form[:32]!r} is none of {', '.join(sorted(_FORMATS))}")
    words = "word" in texts.get("timestamp_granularities[]", "")
    return Transcription(fields["file"], texts.get("language", ""), form, words)
