"""What a node does alone and at most: measured first, so that loads and deadlines fit the machine."""

import statistics
from collections.abc import Sequence

from perf.load.load_samples import Request
from perf.promises.loop_callers import Closed
from perf.promises.promise_lineup import Contender, Writer
from perf.promises.request_mix import Speeds, Wanted
from perf.round_loop import NotMeasured

PROMPT_TOKENS = 200
ANSWER_TOKENS = 32
_REPEATS = 3


def measure_speeds(contender: Contender, writer: Writer) -> Speeds:
    """From requests one after another on the idle node, the first of them to warm up."""
    wanted = [Wanted(PROMPT_TOKENS, ANSWER_TOKENS, free=False, deadline_s=None)] * (_REPEATS + 1)
    return speeds_of(contender.ask(Closed(writer.write(wanted), concurrency=1))[1:])


def speeds_of(requests: Sequence[Request]) -> Speeds:
    """Medians, of requests with PROMPT_TOKENS and ANSWER_TOKENS. Raises NotMeasured without any."""
    prompts = [request.ttft_s / PROMPT_TOKENS for request in requests if request.ttft_s is not None]
    answers = [request.tpot_s for request in requests if request.tpot_s is not None]
    if not answers:
        raise NotMeasured("no request was answered by the idle node")
    return Speeds(statistics.median(prompts), statistics.median(answers))


def capacity_of(requests: Sequence[Request], settle_s: float) -> float:
    """Requests a second of a closed loop, from one end to another: its first `settle_s` are left out.

    Raises NotMeasured when fewer than two ended after that.
    """
    ends = sorted(each.end_s for each in requests if not each.error and each.end_s > settle_s)
    if len(ends) < 2:
        raise NotMeasured(f"{len(ends)} requests ended: too few to tell a rate")
    return (len(ends) - 1) / (ends[-1] - ends[0])
