"""RivaTranslation: converts and delegates."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc

from xapp import logs
from xapp.errors import FailedPrecondition, InvalidArgument
from xapp.riva import riva_nmt_pb2 as nmt
from xapp.riva import riva_nmt_pb2_grpc, riva_tts_pb2
from xapp.security import principal
from xapp.server.deadline import deadline_of
from xapp.server.speech import convert
from xapp.server.speech.messages import messages
from xapp.server.speech.shared import Shared
from xapp.server.speech.synthesis import DEFAULT_RATE
from xapp.speech.audio.formats import AudioFormat, check_rate
from xapp.speech.audio.streams import encoded
from xapp.speech.languages import to_language
from xapp.speech.messages import Heard
from xapp.speech.protocols import Recogniser, Speaker
from xapp.speech.recognition.recognition import Source, heard_in
from xapp.speech.synthesis.voices import Voice, Voices, check_text, spoken
from xapp.speech.translation.phrases import to_phrases
from xapp.speech.translation.translations import Pair, Translations

MAX_TEXTS = 128
ENGINE_HEADER = "x-translation-engine"
"""The header of an answer that names the engine: Riva's messages have no field for it."""


class TranslationServicer(riva_nmt_pb2_grpc.RivaTranslationServicer):
    """`recogniser` None and `voices` without engines refuse the calls with speech."""

    def __init__(
        self, translations: Translations, recogniser: Recogniser | None, voices: Voices, shared: Shared
    ) -> None:
        self._translations = translations
        self._recogniser = recogniser
        self._voices = voices
        self._shared = shared

    async def TranslateText(  # noqa: N802
        self, request: nmt.TranslateTextRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> nmt.TranslateTextResponse:
        """The texts one after the other."""
        if not 1 <= len(request.texts) <= MAX_TEXTS:
            raise InvalidArgument("texts", f"has {len(request.texts)} texts, 1 to {MAX_TEXTS} are taken")
        if sum(map(len, request.texts)) > self._shared.table.max_text_chars:
            message = f"has more than {self._shared.table.max_text_chars:,} characters in all"
            raise InvalidArgument("texts", message, reason="TEXT_TOO_LONG")
        pair = self._pair(request.model, request.source_language, request.target_language)
        phrases, speaker = to_phrases("dnt_phrases", request.dnt_phrases), _speaker(context)
        response = nmt.TranslateTextResponse(id=request.id)
        with self._shared.place():
            for text in request.texts:
                translated = await pair.translate(text, phrases, speaker)
                self._shared.metrics.translated.labels(pair.engine.name).inc(len(text))
                response.translations.add(text=translated, language=request.target_language)
        _tell_engine(context, pair)
        return response

    def _pair(self, engine: str, source: str, target: str) -> Pair:
        return self._translations.find(
            engine, to_language("source_language", source), to_language("target_language", target)
        )

    async def ListSupportedLanguagePairs(  # noqa: N802
        self, request: nmt.AvailableLanguageRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> nmt.AvailableLanguageResponse:
        """The pairs of each engine."""
        response = nmt.AvailableLanguageResponse()
        for engine in self._translations.engines:
            if request.model in {"", engine.name}:
                pairs = [pair.split("-", 1) for pair in engine.languages]
                listed = response.languages[engine.name]
                listed.src_lang.extend(source for source, _ in pairs)
                listed.tgt_lang.extend(target for _, target in pairs)
        return response

    async def StreamingTranslateSpeechToText(  # type: ignore[override]  # noqa: N802
        self,
        requests: AsyncIterator[nmt.StreamingTranslateSpeechToTextRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> None:
        """The translation of each utterance, as a final text."""
        async with self._shared.opened(requests) as (stream, first):
            if first is None:
                return
            _check_first(first)
            config = first.config
            translated = self._translated(config, _audio(requests), context)
            async with aclosing(translated) as heards:
                async for heard in heards:
                    response = nmt.StreamingTranslateSpeechToTextResponse(
                        results=[convert.streaming_result(heard)], id=first.id
                    )
                    await stream.send(context.write(response))

    async def StreamingTranslateSpeechToSpeech(  # type: ignore[override]  # noqa: N802
        self,
        requests: AsyncIterator[nmt.StreamingTranslateSpeechToSpeechRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> None:
        """The translation of each utterance, spoken."""
        async with self._shared.opened(requests) as (stream, first):
            if first is None:
                return
            _check_first(first)
            config = first.config
            voice, audio_format = self._voice(config.tts_config, config.translation_config)
            translated = self._translated(config, _audio(requests), context)
            samples = _samples(translated, voice)
            async with aclosing(translated), aclosing(encoded(samples, audio_format)) as pieces:
                async for piece in pieces:
                    if piece:
                        speech = riva_tts_pb2.SynthesizeSpeechResponse(audio=piece)
                        response = nmt.StreamingTranslateSpeechToSpeechResponse(speech=speech, id=first.id)
                        await stream.send(context.write(response))

    def _voice(
        self, config: nmt.SynthesizeSpeechConfig, translation: nmt.TranslationConfig
    ) -> tuple[Voice, AudioFormat]:
        rate = check_rate("config.tts_config.sample_rate_hz", config.sample_rate_hz or DEFAULT_RATE)
        code = config.language_code or translation.target_language_code
        language = to_language("config.tts_config.language_code", code)
        encoding = convert.to_encoding("config.tts_config.encoding", config.encoding)
        return self._voices.find(config.voice_name, language, rate), AudioFormat(encoding, rate)

    async def _translated(
        self, config: Any, audio: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> AsyncGenerator[Heard, None]:
        """Final texts with their translations in place of what was said."""
        if self._recogniser is None:
            raise FailedPrecondition("this node recognises no speech", reason="NO_SPEECH_ENGINE")
        recognition, wanted = config.asr_config.config, config.translation_config
        pair = self._pair(wanted.model_name, wanted.source_language_code, wanted.target_language_code)
        phrases = to_phrases("config.translation_config.dnt_phrases", wanted.dnt_phrases)
        fields = ("config.asr_config.config.sample_rate_hertz", "audio_content")
        source = Source(audio, convert.to_format(recognition), fields, self._shared.metrics.speech_heard.inc)
        options, speaker = convert.to_options(recognition), _speaker(context)
        async with aclosing(heard_in(source, self._recogniser, options)) as heards:
            async for heard in heards:
                if heard.final and heard.text:
                    text = check_text("audio_content", heard.text, self._shared.table.max_text_chars)
                    yield _replaced(heard, await pair.translate(text, phrases, speaker), pair.target)


def _check_first(first: Any) -> None:
    if first.WhichOneof("streaming_request") != "config":
        raise InvalidArgument("streaming_request", "the first message has a config")


async def _audio(requests: AsyncIterator[Any]) -> AsyncGenerator[bytes, None]:
    async for message in messages(requests):
        yield message.audio_content


async def _samples(translated: AsyncGenerator[Heard, None], voice: Voice) -> AsyncGenerator[bytes, None]:
    async with aclosing(spoken(_texts(translated), voice)) as sentences:
        async for _, pcm in sentences:
            yield pcm.samples


async def _texts(translated: AsyncGenerator[Heard, None]) -> AsyncGenerator[str, None]:
    async for heard in translated:
        yield heard.text + "\n"


def _replaced(heard: Heard, text: str, language: str) -> Heard:
    return Heard(
        heard.job,
        text,
        True,
        language,
        heard.confidence,
        heard.start_s,
        heard.end_s,
        heard.known_s,
        heard.processed_s,
    )


def _speaker(context: "grpc.aio.ServicerContext[Any, Any]") -> Speaker:
    caller = principal.current.get()
    return Speaker(caller.name, caller.scope, deadline_of(context), logs.correlation_id.get())


def _tell_engine(context: Any, pair: Pair) -> None:
    """A context of a test has no headers."""
    tell: Callable[[str, str], None] | None = getattr(context, "add_header", None)
    if tell is not None:
        tell(ENGINE_HEADER, pair.engine.name)
