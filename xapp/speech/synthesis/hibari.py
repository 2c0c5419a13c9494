"""HibariSynthesiser: the server's end of the engine that speaks English."""

from collections.abc import Sequence

from xapp.speech.audio.formats import Pcm
from xapp.speech.engine.supervisor import EngineSupervisor
from xapp.speech.languages import base
from xapp.speech.messages import Say, Spoken


class HibariSynthesiser:
    """Implements Synthesiser."""

    def __init__(self, engine: EngineSupervisor) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        """The engine's name."""
        return "hibari"

    @property
    def ready(self) -> bool:
        """Whether the engine answers now."""
        return self._engine.ready

    @property
    def languages(self) -> Sequence[str]:
        """English only."""
        return ("en",)

    @property
    def voices(self) -> Sequence[str]:
        """The voices on this machine; empty before the engine was loaded once."""
        info = self._engine.info
        return info.voices if info is not None else ()

    def voice_of(self, language: str) -> str | None:
        """Implements Synthesiser.voice_of."""
        return next(iter(self.voices), None) if base(language) in {"", "en"} else None

    async def say(self, text: str, voice: str, sample_rate: int) -> Pcm:
        """Implements Synthesiser.say."""
        with self._engine.job() as job:
            job.send(Say(job.number, text, voice, sample_rate))
            reply = await job.next()
        assert isinstance(reply, Spoken)
        return Pcm(sample_rate, reply.samples)
