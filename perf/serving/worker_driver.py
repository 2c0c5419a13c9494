"""The same work through a real worker process, without server and gRPC around it.

`python -m perf.serving.worker_driver --model FILE --settings JSON` greets with the ModelInfo and answers each
command with a line: a Work with its streams, a CancelTrial with a CancelResult, a PrefillCancel with a
PrefillCancelled.
"""

import gc
import sys
import time
from itertools import count

import msgspec

from perf import json_child
from perf.callers.prompt_texts import Work, token_prompt
from perf.serving.worker_link import WorkerLink
from perf.stream_figures import Arrival, Stream
from xapp.config import EngineSettings
from xapp.domain.messages import Stats, Submit


class Decode(msgspec.Struct, frozen=True, tag=True):
    """Runs a Work."""

    work: Work


class CancelTrial(msgspec.Struct, frozen=True, tag=True):
    """Fills every slot, lets one more wait, and cancels a running one after `after_tokens` tokens."""

    after_tokens: int = 4
    seed: int = 0


class CancelResult(msgspec.Struct, frozen=True):
    """Tokens the cancelled sequence still got, and steps until the waiting one had its slot.

    One step is under way when the cancellation is sent: `steps_after` is 1 when the sequence took part
    in that one only.
    """

    steps_after: int
    steps_until_reused: int


class PrefillCancel(msgspec.Struct, frozen=True, tag=True):
    """Cancels a request `pause_s` after its prefill began, while another one waits for its slot.

    It needs a worker of one slot.
    """

    prompt_tokens: int
    pause_s: float
    seed: int = 0


class PrefillCancelled(msgspec.Struct, frozen=True):
    """Seconds from the cancel to the waiting request's first compute; whether the prefill was under way."""

    seconds: float
    in_prefill: bool


Command = Decode | CancelTrial | PrefillCancel
_ids = count(1)
_MANY_TOKENS = 64
_SHORT_PROMPT = 16


def run(link: WorkerLink, work: Work) -> tuple[list[Stream], Stats]:
    """All streams of a Work, submitted at once; and the counters after it."""
    ids = [next(_ids) for _ in range(work.num_streams)]
    sent = time.monotonic()
    for index, request_id in enumerate(ids):
        prompt = token_prompt(work.prompt_tokens, work.seed, index)
        link.submit(Submit(request_id, prompt, work.num_tokens, ignore_eos=True, arrival=sent))
    arrivals: dict[int, list[Arrival]] = {request_id: [] for request_id in ids}
    cached: dict[int, int] = {}
    stats = Stats()
    for at, events in link.steps():
        for request_id in events.tokens[::2]:
            arrivals[request_id].append(Arrival(at, 1))
        cached |= {finished.request_id: finished.num_cached_tokens for finished in events.finished}
        stats = events.stats or stats
        if len(cached) == len(ids):
            break
    return [Stream(sent, arrivals[request_id], cached[request_id]) for request_id in ids], stats


def try_cancel(link: WorkerLink, trial: CancelTrial) -> CancelResult:
    """Counts steps, not time. Every request has ended when it returns."""
    ids = [next(_ids) for _ in range(link.info.num_slots + 1)]
    for index, request_id in enumerate(ids):
        link.submit(Submit(request_id, token_prompt(16, trial.seed, index), 64, ignore_eos=True))
    result, ended = _watch_cancel(link, ids[0], ids[-1], trial.after_tokens)
    _cancel_all(link, set(ids) - ended)
    return result


def _watch_cancel(
    link: WorkerLink, victim: int, waiting: int, after_tokens: int
) -> tuple[CancelResult, set[int]]:
    """The result, and the requests whose end was among the steps that it read: no later step tells it again.

    A fast worker computes whole answers before this process reads their first tokens.
    """
    before = taken = steps = 0
    ended: set[int] = set()
    for _, events in link.steps():
        ended |= {finished.request_id for finished in events.finished}
        took_part = victim in events.tokens[::2]
        if before < after_tokens:
            before += took_part
            if before == after_tokens:
                link.cancel(victim)
            continue
        taken += took_part
        if any(started.request_id == waiting for started in events.started):
            return CancelResult(taken, steps), ended
        steps += 1
    raise AssertionError("unreachable: steps end with an error")


def _cancel_all(link: WorkerLink, left: set[int]) -> None:
    """Returns when they have ended."""
    if not left:
        return
    for request_id in left:
        link.cancel(request_id)
    for _, events in link.steps():
        left = left - {finished.request_id for finished in events.finished}
        if not left:
            return


def try_prefill_cancel(link: WorkerLink, trial: PrefillCancel) -> PrefillCancelled:
    """Both requests have ended when it returns."""
    victim, waiting = next(_ids), next(_ids)
    prompt = token_prompt(trial.prompt_tokens, trial.seed, 0)
    link.submit(Submit(victim, prompt, _MANY_TOKENS, ignore_eos=True))
    computed, ended = _at_start(link, victim)
    link.submit(Submit(waiting, token_prompt(_SHORT_PROMPT, trial.seed, 1), 1, ignore_eos=True))
    time.sleep(trial.pause_s)  # the inbox is read between steps: the next one is well under way
    sent = time.monotonic()
    link.cancel(victim)
    started_at, tokens = 0.0, computed
    for _, events in link.steps():
        tokens += events.tokens[::2].count(victim)
        started_at = max([started_at, *(each.at for each in events.started if each.request_id == waiting)])
        ended |= {each.request_id for each in events.finished}
        if ended >= {victim, waiting}:
            break
    return PrefillCancelled(started_at - sent, in_prefill=tokens == 0)


def _at_start(link: WorkerLink, request_id: int) -> tuple[int, set[int]]:
    """Tokens that came with the news that it was started, and the request itself if its end came with it too.

    More than no tokens where its prompt took one step.
    """
    for _, events in link.steps():
        if any(each.request_id == request_id for each in events.started):
            return events.tokens[::2].count(request_id), {each.request_id for each in events.finished}
    raise AssertionError("a request that was submitted is started")


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    settings = msgspec.json.decode(json_child.option(args, "--settings"), type=EngineSettings)
    with WorkerLink(json_child.option(args, "--model"), settings) as link:
        gc.disable()
        json_child.serve(lambda line: _answer(link, msgspec.json.decode(line, type=Command)), link.info)


def _answer(link: WorkerLink, command: Command) -> object:
    if isinstance(command, CancelTrial):
        return try_cancel(link, command)
    if isinstance(command, PrefillCancel):
        return try_prefill_cancel(link, command)
    return run(link, command.work)[0]


if __name__ == "__main__":
    main(sys.argv[1:])
