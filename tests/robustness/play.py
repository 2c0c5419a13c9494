"""One run: a node, its callers, random faults, and the history of it all."""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from tests.robustness import callers, faults
from tests.robustness.expected import answer_of
from tests.robustness.history import History
from tests.robustness.node import Node, idle_of, told_faults

NUM_CALLERS = 6
END_S = 60.0
_PROMPTS = (
    "The sea is",
    "A base station is",
    "List three colours:",
    "The handover failed because",
    "Cells of the north:",
    "One, two, three,",
)
_MAX_TOKENS = 60


def fake_answer(prompt: str, max_tokens: int) -> str:
    """What the fake answers, alone or in company."""
    return answer_of(prompt, max_tokens)[0]


class SoloAnswers:
    """The answers of a real model to a few prompts, each asked alone."""

    def __init__(self, answers: Mapping[tuple[str, int], str]) -> None:
        self._answers = answers

    def __call__(self, prompt: str, max_tokens: int) -> str:
        """The solo answer."""
        return self._answers[prompt, max_tokens]


async def solo_answers(node: Node) -> SoloAnswers:
    """Asks each prompt, one after the other."""
    found = {}
    async with node.channel() as channel:
        await node.until_serving(channel)
        for prompt in _PROMPTS:
            for max_tokens in callers.LENGTHS:
                found[prompt, max_tokens] = await callers.solo(channel, prompt, max_tokens)
    return SoloAnswers(found)


async def play(node: Node, seed: int, seconds: float, solo: SoloAnswers | None = None) -> History:
    """Load and faults for so long, then the node at rest."""
    rng = random.Random(seed)
    history = History(seed, answers_are_exact=solo is None)
    since = len(node.server.lines)
    until = monotonic() + seconds
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(node.channel()) for _ in range(2)]
        asking = [
            callers.Caller(
                history,
                channels[number % 2],
                random.Random(f"{seed}/{number}"),
                solo or fake_answer,
                list(_PROMPTS) if solo else [],
            ).run(until)
            for number in range(NUM_CALLERS)
        ]
        async with asyncio.timeout(seconds + END_S):
            await asyncio.gather(faults.run(history, node, rng, until), *asking)
        history.idle = await idle_of(node, history)
    history.records = node.records(since)
    history.faults += told_faults(node, since)
    return history


def dump(history: History, folder: Path) -> Path:
    """Writes the history for people."""
    path = folder / f"history-{history.seed}.txt"
    lines = [f"fault {each}" for each in history.faults]
    lines += [f"call {each.asked} began {each.began:.3f} {each.ends} {each.text!r}" for each in history.calls]
    lines += [f"record {each}" for each in history.records]
    path.write_text("\n".join([*lines, f"idle {history.idle}", ""]))
    return path
