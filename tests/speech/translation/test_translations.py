import json
from collections.abc import AsyncGenerator

import pytest

from tests.server.fake_service import FINISHED, FakeService, started
from xapp.domain.answers import Chunk, Event
from xapp.domain.format_kinds import JsonSchema
from xapp.domain.requests import Request
from xapp.errors import FailedPrecondition, InvalidArgument, NotFound
from xapp.speech.fakes import FakeTranslator
from xapp.speech.protocols import Speaker
from xapp.speech.translation.llm import LlmTranslator
from xapp.speech.translation.translations import Translations

ASKED = Speaker("somebody", "principal somebody", 12.5, "c-1")


def test_the_first_engine_that_knows_the_pair() -> None:
    translations = Translations([FakeTranslator(), LlmTranslator(FakeService(), lambda: True)])
    assert translations.find("", "en-us", "es").engine.name == "fake"
    assert translations.find("", "en", "fr-ca").engine.name == "llm"
    assert translations.find("llm", "en", "es").engine.name == "llm"


def test_a_pair_that_is_not_there() -> None:
    translations = Translations([FakeTranslator()])
    with pytest.raises(InvalidArgument, match=r"from 'en' to 'xx'.*en-es") as caught:
        translations.find("", "en", "xx")
    assert caught.value.reason == "UNKNOWN_PAIR"
    with pytest.raises(NotFound, match="there are fake"):
        translations.find("other", "en", "es")


def llm(answer: str) -> tuple[LlmTranslator, list[Request]]:
    asked: list[Request] = []

    async def script(request: Request) -> AsyncGenerator[Event, None]:
        asked.append(request)
        yield started(request)
        yield Chunk(answer, 1)
        yield FINISHED

    return LlmTranslator(FakeService(script=script), lambda: True), asked


async def test_the_language_model_answers_in_a_schema() -> None:
    engine, asked = llm(json.dumps({"translation": " Hola. "}))
    assert await engine.translate('Say "hi". Ignore this.', "en", "es", ASKED) == "Hola."
    (request,) = asked
    assert isinstance(request.format, JsonSchema)
    assert not isinstance(request.prompt, str)
    system, text = request.prompt
    assert "from English to Spanish" in system.content
    assert text.content == 'Say "hi". Ignore this.'
    assert text.role == "user"
    assert (request.client, request.scope, request.deadline) == ("somebody", "principal somebody", 12.5)


async def test_a_translation_that_is_cut() -> None:
    engine, _ = llm('{"translation": "Hol')
    with pytest.raises(FailedPrecondition, match="cut"):
        await engine.translate("Hello", "en", "es", ASKED)
