"""Conversations on fakes: what is heard, answered and spoken, and what ends an answer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.server.fake_service import FINISHED, FakeService, Script, endless, failing, started
from tests.speech.sounds import in_pieces, silence, speech
from xapp.domain.answers import Chunk, Event
from xapp.domain.chat import ChatMessage
from xapp.domain.requests import Request
from xapp.domain.task_call import TaskCall
from xapp.errors import Exhausted, InvalidArgument, Unavailable
from xapp.speech.audio.formats import AudioFormat, Encoding
from xapp.speech.conversation.conversation import Conversation
from xapp.speech.conversation.events import (
    Control,
    Input,
    Output,
    SaidSentence,
    Setup,
    SpeechBegan,
    TurnEnd,
    TurnEnded,
    Understood,
)
from xapp.speech.conversation.memory import MAX_TURNS
from xapp.speech.fakes import PAUSE_S, SAMPLES_PER_CHAR, FakeRecogniser, FakeSynthesiser
from xapp.speech.protocols import ListenOptions
from xapp.speech.synthesis.voices import Voice

QUESTION = speech(1) + silence(0.5)
WITHIN_S = 20.0


def answering(*texts: str) -> Script:
    async def script(request: Request) -> AsyncGenerator[Event, None]:
        yield started(request)
        for text in texts:
            yield Chunk(text, 1)
        yield FINISHED

    return script


YES = answering("Yes. It ", "does.")


class Talk:
    """A conversation that is fed by the test."""

    def __init__(
        self,
        script: Script = YES,
        setup: Setup | None = None,
        heard: Sequence[str] = ("one?", "two?"),
        synthesiser: FakeSynthesiser | None = None,
    ) -> None:
        self.service = FakeService(script=script)
        self.recogniser = FakeRecogniser(heard)
        self.synthesiser = synthesiser or FakeSynthesiser()
        self._inputs: asyncio.Queue[Input | None] = asyncio.Queue()
        setup = setup or Setup(Request(prompt=(), correlation_id="c"))
        voice = Voice(self.synthesiser, "one", setup.output.sample_rate)
        conversation = Conversation(setup, self.recogniser, voice, self.service)
        self.outputs = conversation.run(self._read())

    async def _read(self) -> AsyncIterator[Input]:
        while (message := await self._inputs.get()) is not None:
            yield message

    def say(self, audio: bytes | Control) -> None:
        for piece in in_pieces(audio) if isinstance(audio, bytes) else [audio]:
            self._inputs.put_nowait(piece)

    def hang_up(self) -> None:
        self._inputs.put_nowait(None)

    async def until(self, kind: type[Any], most: int = 1000) -> list[Output]:
        """The outputs up to the first of this kind."""
        found: list[Output] = []
        async with asyncio.timeout(WITHIN_S):
            while not found or not isinstance(found[-1], kind):
                found.append(await anext(self.outputs))
                assert len(found) < most
        return found

    async def rest(self) -> list[Output]:
        async with asyncio.timeout(WITHIN_S):
            return [output async for output in self.outputs]


def kinds(outputs: Sequence[Output]) -> list[type[Any]]:
    return [type(output) for output in outputs]


def ended(outputs: Sequence[Output]) -> list[TurnEnded]:
    return [output for output in outputs if isinstance(output, TurnEnded)]


async def all_of(talk: Talk, *audio: bytes | Control) -> list[Output]:
    for each in audio:
        talk.say(each)
    talk.hang_up()
    return await talk.rest()


async def test_a_question_is_heard_answered_and_spoken() -> None:
    talk = Talk()
    outputs = await all_of(talk, QUESTION)
    assert kinds(outputs) == [SpeechBegan, Understood, SaidSentence, SaidSentence, TurnEnded]
    _, understood, first, second, end = outputs
    assert isinstance(understood, Understood)
    assert (understood.turn, understood.heard.text) == (1, "one?")
    assert isinstance(first, SaidSentence)
    assert isinstance(second, SaidSentence)
    assert (first.text, second.text) == ("Yes.", "It does.")
    assert len(first.audio) == 2 * len("Yes.") * SAMPLES_PER_CHAR
    assert isinstance(end, TurnEnded)
    assert (end.end, end.num_sentences, end.finished) == (TurnEnd.COMPLETE, 2, FINISHED)


async def test_the_times_are_in_their_order() -> None:
    (end,) = ended(await all_of(Talk(), QUESTION))
    times = end.times
    points = [times.speech_ended, times.known, times.first_sentence, times.first_audio, times.last_audio]
    assert points == sorted(points)
    assert times.recognised <= times.first_sentence
    assert times.speech_ended > 0


async def test_an_answer_begins_in_the_pause_and_is_told_when_the_utterance_is_over() -> None:
    talk = Talk()
    talk.say(speech(1) + silence(PAUSE_S - 0.05))
    await talk.until(SpeechBegan)
    told = asyncio.ensure_future(anext(talk.outputs))
    async with asyncio.timeout(WITHIN_S):
        await talk.synthesiser.spoke.wait()
    assert not told.done()
    talk.say(silence(0.2))
    talk.hang_up()
    outputs = [await told, *await talk.rest()]
    assert kinds(outputs) == [Understood, SaidSentence, SaidSentence, TurnEnded]
    assert len(talk.service.requests) == 1


async def test_an_answer_to_half_an_utterance_is_dropped_and_not_told() -> None:
    talk = Talk(endless("Well. "), heard=())
    talk.say(speech(1) + silence(PAUSE_S - 0.05))
    await talk.until(SpeechBegan)
    async with asyncio.timeout(WITHIN_S):
        await talk.synthesiser.spoke.wait()
        talk.say(speech(0.5))
        await talk.service.closed.wait()
    talk.service.script = YES
    outputs = await all_of(talk, silence(0.5))
    assert kinds(outputs) == [Understood, SaidSentence, SaidSentence, TurnEnded]
    questions = [request.prompt[-1] for request in talk.service.requests]
    assert [each.content for each in questions if isinstance(each, ChatMessage)] == ["10 tenths", "15 tenths"]
    assert [end.turn for end in ended(outputs)] == [1]


async def test_the_end_of_the_audio_within_a_pause_ends_the_utterance() -> None:
    (end,) = ended(await all_of(Talk(), speech(1) + silence(PAUSE_S - 0.05)))
    assert end.end is TurnEnd.COMPLETE


async def test_a_caller_that_vanishes_in_the_pause_ends_the_answer() -> None:
    talk = Talk(endless("Well. "))
    talk.say(speech(1) + silence(PAUSE_S - 0.05))
    await talk.until(SpeechBegan)
    async with asyncio.timeout(WITHIN_S):
        await talk.synthesiser.spoke.wait()
    await talk.outputs.aclose()
    assert talk.service.closed.is_set()


async def test_silence_and_nothing_at_all() -> None:
    assert await all_of(Talk(), silence(3)) == []
    assert await all_of(Talk()) == []


async def test_noise_without_words_is_not_answered() -> None:
    talk = Talk(heard=[""])
    outputs = await all_of(talk, QUESTION)
    assert kinds(outputs) == [SpeechBegan, Understood]
    assert talk.service.requests == []


async def test_citations_and_marks_are_not_spoken_wherever_the_answer_is_cut() -> None:
    pieces = ("The cell is ", "down [", "1", "]. ", "Call **now.** ", "Bye [2][3, 13].", " [4]")
    outputs = await all_of(Talk(answering(*pieces)), QUESTION)
    said = [each.text for each in outputs if isinstance(each, SaidSentence)]
    assert [" ".join(text.split()) for text in said] == ["The cell is down.", "Call now.", "Bye."]


async def test_what_was_said_is_remembered() -> None:
    talk = Talk(answering("Yes."))
    talk.say(QUESTION)
    await talk.until(TurnEnded)
    talk.say(QUESTION)
    await talk.until(TurnEnded)
    first, second = (request.prompt for request in talk.service.requests)
    assert [message.role for message in first if isinstance(message, ChatMessage)] == ["system", "user"]
    assert [message.content for message in second if isinstance(message, ChatMessage)][1:] == [
        *("one?", "Yes.", "two?")
    ]
    await talk.outputs.aclose()


async def test_old_turns_are_forgotten() -> None:
    talk = Talk(answering("Yes."), heard=[f"q{number}" for number in range(MAX_TURNS + 3)])
    for _ in range(MAX_TURNS + 3):
        talk.say(QUESTION)
        await talk.until(TurnEnded)
    assert len(talk.service.requests[-1].prompt) == 1 + 2 * MAX_TURNS + 1
    await talk.outputs.aclose()


async def test_a_task_gets_the_utterance_as_an_input() -> None:
    task = TaskCall("triage", {"site": "A"})
    talk = Talk(setup=Setup(Request(prompt=(), task=task), utterance_input="report"))
    await all_of(talk, QUESTION)
    (request,) = talk.service.requests
    assert request.task is not None
    assert request.task.inputs == {"site": "A", "report": "one?"}


async def test_a_turn_has_a_deadline() -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 100
    talk = Talk(setup=Setup(Request(prompt=(), deadline=deadline), turn_s=5.0))
    await all_of(talk, QUESTION)
    (request,) = talk.service.requests
    assert request.deadline is not None
    assert request.deadline <= loop.time() + 5


@pytest.mark.parametrize(
    ("stop", "why"), [(speech(0.5), TurnEnd.BARGE_IN), (Control.INTERRUPT, TurnEnd.INTERRUPTED)]
)
async def test_an_answer_is_ended(stop: bytes | Control, why: TurnEnd) -> None:
    talk = Talk(endless("Well. "), heard=["one?"])
    talk.say(QUESTION)
    await talk.until(SaidSentence)
    talk.say(stop)
    (end,) = ended(await talk.until(TurnEnded))
    assert end.end is why
    assert end.num_sentences > 0
    assert talk.service.closed.is_set(), "the model goes on"
    await talk.outputs.aclose()


async def test_speech_says_which_turn_it_ended_also_while_that_is_played() -> None:
    talk = Talk(answering("Yes, of course, " * 20 + "."))
    talk.say(QUESTION)
    await talk.until(TurnEnded)
    talk.say(speech(0.5))
    began = (await talk.until(SpeechBegan))[-1]
    assert isinstance(began, SpeechBegan)
    assert began.ends_turn == 1
    await talk.outputs.aclose()


async def test_without_barge_in_the_answer_goes_on() -> None:
    pause = asyncio.Event()

    async def script(request: Request) -> AsyncGenerator[Event, None]:
        yield started(request)
        yield Chunk("First. ", 1)
        await pause.wait()
        yield Chunk("Second.", 1)
        yield FINISHED

    talk = Talk(script, Setup(Request(prompt=()), barge_in=False))
    talk.say(QUESTION)
    await talk.until(SaidSentence)
    talk.say(QUESTION)
    await talk.until(SpeechBegan)
    pause.set()
    (end,) = ended(await talk.until(TurnEnded))
    assert (end.end, end.num_sentences) == (TurnEnd.COMPLETE, 2)
    talk.hang_up()
    assert [each for each in await talk.rest() if isinstance(each, TurnEnded)] == []


@pytest.mark.parametrize(
    ("script", "synthesiser", "reason"),
    [
        (failing(Exhausted("full")), None, "QUEUE_FULL"),
        (answering("Yes."), FakeSynthesiser(Unavailable("lost")), "WORKER_LOST"),
    ],
    ids=["model", "voice"],
)
async def test_a_turn_fails_and_the_conversation_goes_on(
    script: Script, synthesiser: FakeSynthesiser | None, reason: str
) -> None:
    talk = Talk(script, synthesiser=synthesiser)
    talk.say(QUESTION)
    (end,) = ended(await talk.until(TurnEnded))
    assert (end.end, end.reason) == (TurnEnd.FAILED, reason)
    talk.service.script, talk.synthesiser.error = answering("Yes."), None
    (end,) = ended(await all_of(talk, QUESTION))
    assert (end.turn, end.end) == (2, TurnEnd.COMPLETE)


async def test_a_caller_that_vanishes_ends_everything() -> None:
    talk = Talk(endless("Well. "))
    talk.say(QUESTION)
    await talk.until(SaidSentence)
    await talk.outputs.aclose()
    assert talk.service.closed.is_set()


async def test_the_caller_ends_the_utterance() -> None:
    talk = Talk()
    talk.say(speech(1))
    talk.say(Control.END_OF_UTTERANCE)
    outputs = await talk.until(TurnEnded)
    assert sum(isinstance(each, Understood) for each in outputs) == 1
    await talk.outputs.aclose()


async def test_interim_texts() -> None:
    setup = Setup(Request(prompt=()), options=ListenOptions(interim=True))
    outputs = await all_of(Talk(setup=setup), QUESTION)
    understood = [each for each in outputs if isinstance(each, Understood)]
    assert [each.turn for each in understood[:-1]] == [0] * (len(understood) - 1)
    assert [each.heard.final for each in understood] == [False] * (len(understood) - 1) + [True]
    assert len(understood) > 2


async def test_a_telephone() -> None:
    line = AudioFormat(Encoding.MU_LAW, 8_000)
    talk = Talk(setup=Setup(Request(prompt=()), input=line, output=line))
    loud, quiet = b"\x00" * 8_000, b"\xff" * 8_000
    outputs = await all_of(talk, loud + quiet)
    said = [each for each in outputs if isinstance(each, SaidSentence)]
    assert len(said[0].audio) == len("Yes.") * SAMPLES_PER_CHAR


async def test_a_bad_rate_ends_the_call() -> None:
    talk = Talk(setup=Setup(Request(prompt=()), input=AudioFormat(sample_rate=1)))
    with pytest.raises(InvalidArgument, match=r"config\.input\.sample_rate"):
        await all_of(talk, QUESTION)


async def test_a_caller_that_does_not_read_is_not_heard() -> None:
    talk = Talk(answering(*["Well. "] * 1000))
    task = asyncio.ensure_future(anext(talk.outputs))
    talk.say(QUESTION)
    await task
    for _ in range(1000):
        await asyncio.sleep(0)
    assert len(talk.synthesiser.said) < 100
    await talk.outputs.aclose()


async def test_a_template_with_a_chat() -> None:
    request = Request(prompt=(ChatMessage("system", "Be brief."),), max_tokens=7)
    talk = Talk(setup=Setup(replace(request, correlation_id="call")))
    await all_of(talk, QUESTION)
    (asked,) = talk.service.requests
    assert asked.prompt == (ChatMessage("system", "Be brief."), ChatMessage("user", "one?"))
    assert (asked.max_tokens, asked.correlation_id) == (7, "call.1")
