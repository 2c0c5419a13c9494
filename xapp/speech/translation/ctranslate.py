"""CTranslateTranslator: the server's end of an engine that translates one pair of languages."""

from collections.abc import Sequence

from xapp.speech.engine.supervisor import EngineSupervisor
from xapp.speech.messages import Translate, Translated
from xapp.speech.protocols import Speaker


class CTranslateTranslator:
    """Implements Translator for one pair, such as "en-de"."""

    def __init__(self, engine: EngineSupervisor, pair: str) -> None:
        self._engine = engine
        self._pair = pair

    @property
    def name(self) -> str:
        """The engine's name."""
        return "ctranslate2"

    @property
    def ready(self) -> bool:
        """Whether the engine answers now."""
        return self._engine.ready

    @property
    def languages(self) -> Sequence[str]:
        """The pair."""
        return (self._pair,)

    def speaks(self, source: str, target: str) -> bool:
        """Implements Translator.speaks."""
        return f"{source}-{target}" == self._pair

    async def translate(self, text: str, source: str, target: str, speaker: Speaker) -> str:
        """Implements Translator.translate."""
        with self._engine.job() as job:
            job.send(Translate(job.number, text))
            reply = await job.next()
        assert isinstance(reply, Translated)
        return reply.text
