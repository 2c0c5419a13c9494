"""SpeechNode: the engines of speech of a node, from the settings to their end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Protocol

from xapp.backend.node import num_cores
from xapp.config import Settings, SpeechSettings
from xapp.domain.service import Generation, Readiness
from xapp.errors import ConfigError, XappError
from xapp.served.changes import Changes
from xapp.speech.engine.process import EngineSettings
from xapp.speech.engine.supervisor import EngineSupervisor
from xapp.speech.models import recognition_folder
from xapp.speech.protocols import Recogniser, Synthesiser, Translator
from xapp.speech.recognition.recogniser import EngineRecogniser
from xapp.speech.synthesis.espeak import EspeakSynthesiser
from xapp.speech.synthesis.hibari import HibariSynthesiser
from xapp.speech.synthesis.voices import Voices
from xapp.speech.translation.apertium import ApertiumTranslator
from xapp.speech.translation.ctranslate import CTranslateTranslator
from xapp.speech.translation.llm import LlmTranslator
from xapp.speech.translation.translations import Translations

SYNTHESIS_KEY, TRANSLATION_KEY = "XAPP_SPEECH_SYNTHESIS", "XAPP_SPEECH_TRANSLATION"
_MOST_THREADS = 4

_log = logging.getLogger(__name__)


class Answering(Generation, Readiness, Protocol):
    """The part of the service that speech needs."""


class Program(Protocol):
    """An engine that is a program, asked once at the start."""

    async def start(self) -> None:
        """Asks it what it can do."""
        ...


class SpeechNode:
    """Made from the settings. `start` first, `aclose` last.

    Raises ConfigError for a wrong setting. An engine that cannot be loaded is an error in the log, and its
    service is not ready.
    """

    def __init__(self, settings: Settings, service: Answering, num_threads: int) -> None:
        self._settings = settings
        self._service = service
        self._threads = recognition_threads(settings.speech, num_threads)
        self._supervisors: list[EngineSupervisor] = []
        self._programs: list[Program] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._changes = Changes()
        self.recogniser = self._recogniser()
        self.voices = Voices([self._synthesiser(name) for name in engine_names(settings.speech.synthesis)])
        self.translations = Translations(
            [self._translator(each) for each in engine_names(settings.speech.translation)]
        )

    # ---- life

    def start(self) -> None:
        """Starts to load the engines, and returns."""
        for supervisor in self._supervisors:
            self._tasks.append(asyncio.create_task(_logged(supervisor.start())))
        for program in self._programs:
            self._tasks.append(asyncio.create_task(self._ask(program)))

    async def _ask(self, program: Program) -> None:
        await _logged(program.start())
        self._changes.notify()

    async def aclose(self) -> None:
        """Ends every engine. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for supervisor in self._supervisors:
            await supervisor.aclose("the node ends")

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` when an engine's state may have changed. Returns a function that ends this."""
        return self._changes.subscribe(listener)

    # ---- engines

    def _supervised(self, kind: str, model: str, num_threads: int) -> EngineSupervisor:
        settings = EngineSettings(num_threads, self._settings.speech.memory_limit_mb << 20)
        supervisor = EngineSupervisor(kind, model, settings, self._settings.workers, self._changes.notify)
        self._supervisors.append(supervisor)
        return supervisor

    def _recogniser(self) -> Recogniser | None:
        speech = self._settings.speech
        if not speech.recognition:
            return None
        engine = self._supervised("whisper", recognition_folder(speech.recognition), self._threads)
        return EngineRecogniser(engine, pause_s=speech.pause_ms / 1000, interim_s=speech.interim_ms / 1000)

    def _synthesiser(self, name: str) -> Synthesiser:
        if name == "hibari":
            return HibariSynthesiser(self._supervised("hibari", "", 1))
        if name == "espeak":
            espeak = EspeakSynthesiser()
            self._programs.append(espeak)
            return espeak
        raise ConfigError(SYNTHESIS_KEY, f"{name!r} is no engine; there are hibari, espeak")

    def _translator(self, name: str) -> Translator:
        pair, _, folder = name.partition("=")
        if folder:
            return CTranslateTranslator(self._supervised("ctranslate2", folder, self._threads), pair)
        if name == "llm":
            return LlmTranslator(self._service, lambda: self._service.ready)
        if name == "apertium":
            apertium = ApertiumTranslator()
            self._programs.append(apertium)
            return apertium
        raise ConfigError(
            TRANSLATION_KEY, f"{name!r} is no engine; there are apertium, llm, and PAIR=FOLDER of a model"
        )


@contextlib.asynccontextmanager
async def speech_node(settings: Settings, service: Answering) -> AsyncIterator[SpeechNode]:
    """The engines for the length of the block."""
    node = SpeechNode(settings, service, num_cores())
    node.start()
    try:
        yield node
    finally:
        await node.aclose()


async def _logged(start: Coroutine[Any, Any, object]) -> None:
    try:
        await start
    except XappError as error:
        _log.error("an engine of speech cannot be started: %s", error.message)


def recognition_threads(speech: SpeechSettings, cores: int) -> int:
    """Threads of recognition, and of CTranslate2."""
    return speech.threads or min(cores, _MOST_THREADS)


def engine_names(setting: str) -> Sequence[str]:
    """The engines of a setting, the preferred one first."""
    return [name.strip() for name in setting.split(",") if name.strip()]
