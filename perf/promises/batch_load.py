"""A load of requests for which nobody waits, and more of them than there are slots."""

import random
from collections.abc import Sequence
from dataclasses import replace

from perf.load.token_lengths import Uniform
from perf.promises.loop_callers import Closed
from perf.promises.promise_lineup import Writer
from perf.promises.request_mix import Wanted
from perf.targets.target import CompletionRequest

PROMPT_TOKENS = Uniform(200, 400)
ANSWER_TOKENS = Uniform(64, 128)
SETTLE_S = 4.0
"""From its start to when all slots are taken and some of it waits."""


def load(writer: Writer, *, streams: int, count: int, duration_s: float, seed: int) -> Closed:
    """So many callers for so long, with `count` requests at most."""
    random_ = random.Random(seed)
    wanted = [
        Wanted(PROMPT_TOKENS.draw(random_), ANSWER_TOKENS.draw(random_), free=False) for _ in range(count)
    ]
    return Closed(in_class(writer.write(wanted), "batch"), streams, duration_s)


def in_class(requests: Sequence[CompletionRequest], priority: str) -> list[CompletionRequest]:
    """The same requests in a class."""
    return [replace(each, priority=priority) for each in requests]
