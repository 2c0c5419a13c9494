"""What a model is asked of one question: its answer, an estimate in words, and a probe behind the prompt."""

import math
import re
import time
from collections.abc import Awaitable, Callable

from xapp.client import Client, user
from xapp.domain.answers import HiddenState
from xapp.routing.probe_texts import ANSWER_LENGTH, LENGTH_PERCEPTION

MAX_ESTIMATE_TOKENS = 16
DEADLINE_S = 300.0
UNPARSED = -1.0
"""The value of an estimate that has no number."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

STATE = "hidden"
"""The part that asks for hidden states, and the beginning of the keys of their numbers."""
Values = dict[str, float]
Ask = Callable[[Client, str], Awaitable[Values]]


def answer(max_tokens: int) -> Ask:
    """Asks for the tokens of the greedy answer, at most `max_tokens`."""

    async def ask(client: Client, question: str) -> Values:
        tokens = 0
        events = client.generate([user(question)], max_tokens=max_tokens, deadline_s=DEADLINE_S)
        async for event in events:
            if event.HasField("finished"):
                tokens = event.finished.usage.num_completion_tokens
        return {"tokens": float(tokens)}

    return ask


async def perception(client: Client, question: str) -> Values:
    """The model's own estimate, in words, before it answers."""
    started = time.monotonic()
    prompt = [user(f"{LENGTH_PERCEPTION}\n\n{question}")]
    pieces = client.stream_text(prompt, max_tokens=MAX_ESTIMATE_TOKENS, deadline_s=DEADLINE_S)
    text = "".join([piece async for piece in pieces])
    return {"perception": estimate_of(text), "perception_s": time.monotonic() - started}


def estimate_of(text: str) -> float:
    """The logarithm of the first number; UNPARSED without one that is above 0."""
    found = _NUMBER.search(text)
    number = float(re.sub(r"[.,]", "", found[0])) if found else 0.0
    return math.log(number) if number >= 1 else UNPARSED


async def probe(client: Client, question: str) -> Values:
    """The mean place of the answer in the lengths of ANSWER_LENGTH, by one Score behind its prompt.

    The time is what the probe costs a request whose prompt is computed anyway.
    """
    async for _ in client.generate([user(question)], max_tokens=1, deadline_s=DEADLINE_S):
        pass
    started = time.monotonic()
    found = await client.score([user(question)], ANSWER_LENGTH, deadline_s=DEADLINE_S)
    most = max(choice.log_probability for choice in found.choices)
    raw = [math.exp(choice.log_probability - most) for choice in found.choices]
    place = math.fsum(index * each for index, each in enumerate(raw)) / math.fsum(raw)
    return {"probe": place, "probe_s": time.monotonic() - started}


def state_values(found: HiddenState, took_s: float) -> Values:
    """The numbers of a state, with the digits that matter, and its time."""
    numbers = {f"{STATE}.{index}": float(f"{value:.4g}") for index, value in enumerate(found.values)}
    return {**numbers, f"{STATE}_s": took_s}


def state_of(values: Values) -> list[float]:
    """The numbers of a state; empty where it was not asked for."""
    found: list[float] = []
    while (value := values.get(f"{STATE}.{len(found)}")) is not None:
        found.append(value)
    return found
