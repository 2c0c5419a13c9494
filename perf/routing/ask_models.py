"""Asks a little and a big model the same questions, one model after the other."""

import time
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from perf.own_node import hidden_state, own_node
from perf.routing.routing_questions import Question, chat
from perf.routing.routing_samples import Answered, Probed, Rated, Role, Sample, Stated
from xapp.client import Client
from xapp.inference.v1 import inference_pb2 as pb
from xapp.routing.probe_texts import DIFFICULTY, SELF_RATING, WHO_ANSWERS

MAX_RATING_TOKENS = 16
DEADLINE_S = 300.0

Add = Callable[[Sample], None]
Ask = Callable[[Client, Question], Awaitable[Sample]]


async def big_answer(client: Client, question: Question) -> Sample:
    """The log-probabilities of the letters."""
    return Answered(Role.BIG, question.id, question.right, await _letters(client, question))


async def little_answer(client: Client, question: Question) -> Sample:
    """The log-probabilities of the letters, and of every token of the answer of the likeliest letter."""
    letters = await _letters(client, question)
    answered = Answered(Role.LITTLE, question.id, question.right, letters)
    found = await _score(client, question.prompt, [question.answers[answered.picked]])
    tokens = [token.log_probability for token in found.choices[0].tokens]
    return msgspec.structs.replace(answered, tokens=tokens)


async def _letters(client: Client, question: Question) -> list[float]:
    found = await _score(client, question.prompt, question.letters)
    return [choice.log_probability for choice in found.choices]


async def _score(client: Client, prompt: str, texts: Sequence[str]) -> pb.ScoreResponse:
    return await client.score(chat(prompt), texts, include_tokens=True, deadline_s=DEADLINE_S)


async def difficulty(client: Client, question: Question) -> Sample:
    """Easy or hard, as a branch behind the question's own prompt."""
    return await _probe(client, question.id, "difficulty", chat(question.prompt), DIFFICULTY)


async def who_answers(client: Client, question: Question) -> Sample:
    """The reference's question, as a probability."""
    return await _probe(client, question.id, "who_answers", rating_prompt(question), WHO_ANSWERS)


async def _probe(
    client: Client, name: str, probe: str, prompt: list[pb.Message], texts: Sequence[str]
) -> Probed:
    started = time.monotonic()
    found = await client.score(prompt, texts, deadline_s=DEADLINE_S)
    took_s = time.monotonic() - started
    return Probed(name, probe, [choice.log_probability for choice in found.choices], took_s)


async def rating(client: Client, question: Question) -> Sample:
    """The reference's question, in words."""
    started = time.monotonic()
    pieces = client.stream_text(rating_prompt(question), max_tokens=MAX_RATING_TOKENS, deadline_s=DEADLINE_S)
    text = "".join([piece async for piece in pieces])
    return Rated(question.id, text, time.monotonic() - started)


def rating_prompt(question: Question) -> list[pb.Message]:
    """The prompt of the reference, with the question behind it."""
    return chat(f"{SELF_RATING}\n\nQuestion: {question.prompt}\n\nWho should answer?")


ANSWERS: dict[Role, Ask] = {Role.LITTLE: little_answer, Role.BIG: big_answer}
"""What each model is asked of each question."""
SIGNALS: dict[str, Ask] = {"difficulty": difficulty, "who_answers": who_answers, "rating": rating}
"""What the little model alone is asked, for the signals."""
STATE = "hidden_state"
"""What the little model is asked in this process: no port offers it."""


async def ask_all(client: Client, questions: Iterable[Question], asks: Sequence[Ask], add: Add) -> None:
    """Every question, every way of asking. Raises ClientError; what came before it was added."""
    for question in questions:
        for ask in asks:
            add(await ask(client, question))


async def ask_states(model: str, questions: Iterable[Question], add: Add) -> None:
    """The hidden state of each question, from a node of its own. Raises TargetError."""
    async with own_node(model) as node:
        for question in questions:
            found, took_s = await hidden_state(node, question.prompt)
            add(Stated(question.id, array("f", found.values).tobytes(), took_s))
