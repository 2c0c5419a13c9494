"""POST /v1/audio/speech and POST /v1/audio/transcriptions, where the node has engines for them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from aiohttp import web

from xapp.config import Settings
from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog
from xapp.errors import XappError
from xapp.gateway.bodies import Bodies
from xapp.gateway.spoken_fields import SpeechFields, Transcription, read_speech, read_transcription
from xapp.speech.audio.formats import AudioFormat, Encoding
from xapp.speech.audio.streams import encoded
from xapp.speech.audio.wav import wav_file
from xapp.speech.messages import Heard
from xapp.speech.recognition.recognition import Source, heard_in
from xapp.speech.speech import Speech
from xapp.speech.synthesis.voices import Voice, check_text, spoken
from xapp.telemetry.metrics import Metrics

_RATE = 24_000
"""What OpenAI's clients expect of `pcm`."""
_ENCODINGS = {"flac": Encoding.FLAC, "opus": Encoding.OGG_OPUS}
_TYPES = {"wav": "audio/wav", "pcm": "audio/pcm", "flac": "audio/flac", "opus": "audio/ogg"}


class SpeechRoutes:
    """The handlers. Guards ran before them."""

    def __init__(self, speech: Speech, settings: Settings, metrics: Metrics, watchdog: Watchdog) -> None:
        self._speech = speech
        self._settings = settings.speech
        self._bodies = Bodies(settings.server.max_message_bytes)
        self._metrics = metrics
        self._watchdog = watchdog
        self._places = Limit("speech requests", settings.speech.max_streams)

    def table(self) -> list[web.RouteDef]:
        """All paths."""
        return [
            web.post("/v1/audio/speech", self.speech),
            web.post("/v1/audio/transcriptions", self.transcription),
        ]

    async def speech(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/audio/speech."""
        if not self._speech.voices.engines:
            raise XappError("no engine of this node speaks", reason="NOT_IMPLEMENTED")
        fields = read_speech(await self._bodies.read(request))
        check_text("input", fields.input, self._settings.max_text_chars)
        voice = _voice(self._speech, fields)
        with self._places.hold():
            if fields.response_format == "wav":
                samples = b"".join([piece async for piece in self._samples(fields.input, voice)])
                return web.Response(body=wav_file(samples, _RATE), content_type=_TYPES["wav"])
            return await self._stream(request, fields, voice)

    async def _stream(self, request: web.Request, fields: SpeechFields, voice: Voice) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _TYPES[fields.response_format]})
        encoding = _ENCODINGS.get(fields.response_format, Encoding.PCM)
        audio = encoded(self._samples(fields.input, voice), AudioFormat(encoding, _RATE))
        with self._watchdog.watch() as stream:
            async with aclosing(audio) as pieces:
                async for piece in pieces:
                    if not response.prepared:
                        await response.prepare(request)
                    await stream.send(response.write(piece))
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
        return response

    async def _samples(self, text: str, voice: Voice) -> AsyncGenerator[bytes, None]:
        async with aclosing(spoken(_once(text), voice)) as sentences:
            async for _, pcm in sentences:
                self._metrics.speech_spoken.labels(voice.engine.name).inc(pcm.seconds)
                yield pcm.samples

    async def transcription(self, request: web.Request) -> web.Response:
        """POST /v1/audio/transcriptions."""
        if self._speech.recogniser is None:
            raise XappError("no engine of this node recognises speech", reason="NOT_IMPLEMENTED")
        fields = await read_transcription(request, self._bodies)
        count, most_s = self._metrics.speech_heard.inc, self._settings.max_audio_s
        source = Source(_once(fields.file), fields.format, ("file", "file"), count, most_s)
        with self._places.hold():
            async with aclosing(heard_in(source, self._speech.recogniser, fields.options)) as heards:
                found = [heard async for heard in heards if heard.final and heard.text]
        return _response(fields, found)


def _voice(speech: Speech, fields: SpeechFields) -> Voice:
    """The named voice; the usual voice for a name that no engine knows, such as "alloy"."""
    known = {voice for engine in speech.voices.engines for voice in engine.voices}
    name = fields.voice if fields.voice.rpartition(":")[2] in known else ""
    return speech.voices.find(name, "" if name else "en", _RATE)


async def _once(item: Any) -> AsyncGenerator[Any, None]:
    yield item


# ---- the forms of a transcription


def _response(fields: Transcription, found: Sequence[Heard]) -> web.Response:
    text = " ".join(heard.text for heard in found)
    if fields.form == "text":
        return web.Response(text=text + "\n")
    if fields.form in {"srt", "vtt"}:
        return web.Response(text=_subtitles(found, fields.form))
    body: dict[str, object] = {"text": text}
    if fields.form == "verbose_json":
        body |= _verbose(fields, found)
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _verbose(fields: Transcription, found: Sequence[Heard]) -> dict[str, object]:
    segments = [
        {"id": number, "start": heard.start_s, "end": heard.end_s, "text": heard.text}
        for number, heard in enumerate(found)
    ]
    words = [
        {"word": word.text, "start": word.start_s, "end": word.end_s}
        for heard in found
        for word in heard.words
    ]
    about = {
        "task": "transcribe",
        "language": found[0].language if found else fields.language,
        "duration": found[-1].end_s if found else 0.0,
        "segments": segments,
    }
    return about | ({"words": words} if fields.words else {})


def _subtitles(found: Sequence[Heard], form: str) -> str:
    mark = "," if form == "srt" else "."
    blocks = [
        f"{number}\n{_time(heard.start_s, mark)} --> {_time(heard.end_s, mark)}\n{heard.text}\n"
        for number, heard in enumerate(found, 1)
    ]
    return "\n".join((["WEBVTT\n"] if form == "vtt" else []) + blocks)


def _time(seconds: float, mark: str) -> str:
    whole = int(seconds)
    return (
        f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{round((seconds - whole) * 1000):03}"
    )
