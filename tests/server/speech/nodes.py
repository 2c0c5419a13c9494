"""A server in this process whose engines of speech are fakes."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.flat_settings import flat_settings
from tests.server.fake_service import FakeHost, FakeService
from xapp.riva import riva_asr_pb2_grpc, riva_nmt_pb2_grpc, riva_tts_pb2_grpc
from xapp.security.security import Security
from xapp.served.changes import Changes
from xapp.server.server import serve_grpc
from xapp.speech.fakes import FakeRecogniser, FakeSynthesiser, FakeTranslator
from xapp.speech.protocols import Recogniser, Synthesiser, Translator
from xapp.speech.synthesis.voices import Voices
from xapp.speech.translation.translations import Translations
from xapp.speech.v1 import speech_pb2_grpc
from xapp.telemetry.metrics import Metrics

TIMEOUT_S = 20.0


@dataclass
class FakeSpeech:
    """Implements xapp.speech.speech.Speech."""

    recogniser: Recogniser | None = field(default_factory=FakeRecogniser)
    synthesisers: Sequence[Synthesiser] = field(default_factory=lambda: [FakeSynthesiser()])
    translators: Sequence[Translator] = field(default_factory=lambda: [FakeTranslator()])
    changes: Changes = field(default_factory=Changes)

    def __post_init__(self) -> None:
        self.voices = Voices(self.synthesisers)
        self.translations = Translations(self.translators)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self.changes.subscribe(listener)


class SpeechCaller:
    """Stubs on a channel."""

    def __init__(self, channel: grpc.aio.Channel, speech: FakeSpeech, metrics: Metrics) -> None:
        self.channel, self.speech, self.metrics = channel, speech, metrics
        self.recognition: Any = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        self.synthesis: Any = riva_tts_pb2_grpc.RivaSpeechSynthesisStub(channel)
        self.translation: Any = riva_nmt_pb2_grpc.RivaTranslationStub(channel)
        self.voice: Any = speech_pb2_grpc.VoiceServiceStub(channel)


@contextlib.asynccontextmanager
async def speaking(
    speech: FakeSpeech | None = None, service: FakeService | None = None, **settings: Any
) -> AsyncIterator[SpeechCaller]:
    speech, metrics = speech or FakeSpeech(), Metrics()
    configured = flat_settings(host="127.0.0.1", grpc_port=0, http_port=0, **settings)
    security = Security(configured) if configured.has_credentials else None
    async with (
        serve_grpc(
            service or FakeService(), configured, metrics, FakeHost(), security=security, speech=speech
        ) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield SpeechCaller(channel, speech, metrics)
