"""Pair: answers requests with a little model of this node and the big model of the settings."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import msgspec

from xapp import logs
from xapp.config.big import BigSettings
from xapp.domain.big_little import BigLittle, Guided, Verified
from xapp.domain.messages import SamplingParams, Submit
from xapp.domain.verification import Opening
from xapp.errors import DeadlineExceeded, XappError
from xapp.routing.big_little.answer import PairAnswer
from xapp.routing.big_little.big_side import BigSide
from xapp.routing.big_little.drafts import DraftSource
from xapp.routing.big_little.guidance import GuidedAnswer
from xapp.routing.big_little.link import Link
from xapp.service.call import Target
from xapp.workers.token_record import TokenRecord
from xapp.workers.token_stream import TokenStream

_log = logging.getLogger(__name__)


class Answering(Protocol):
    """One answer that is being found."""

    async def run(self) -> None:
        """Returns at the end of the answer. Raises XappError."""
        ...

    def finish_late(self) -> None:
        """Ends the answer at its deadline."""
        ...


class Pair:
    """A TokenSource. `new_id` makes ids for requests to the little model's worker."""

    def __init__(self, settings: BigSettings, big: BigSide, new_id: Callable[[], int]) -> None:
        self._settings = settings
        self._big = big
        self._new_id = new_id
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, target: Target, submit: Submit) -> TokenStream:
        """See TokenSource. The answer is found by a task, which ends with its last reader."""
        record = TokenRecord(submit, self._cancel, lambda *_: None)
        stream = TokenStream(record, submit)
        task = asyncio.create_task(self._run(record, self._answer(target, record)))
        self._tasks[submit.request_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(submit.request_id, None))
        return stream

    def _cancel(self, request_id: int) -> None:
        if (task := self._tasks.get(request_id)) is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Ends all answers and connections."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._big.aclose()

    async def _run(self, record: TokenRecord, answer: Answering) -> None:
        """Ends the record in any case."""
        try:
            async with asyncio.timeout_at(record.request.deadline):
                await answer.run()
        except TimeoutError:
            answer.finish_late()
        except DeadlineExceeded as error:
            if _is_over(record):
                answer.finish_late()
            else:
                record.fail(error)
        except XappError as error:
            record.fail(error)
        except Exception as error:  # noqa: BLE001  a defect: its reader would wait for ever
            logs.event(_log, "an answer of two models failed", {}, level=logging.ERROR, error=error)
            record.fail(XappError("internal error, see the server's log"))
        finally:
            if not record.ended:
                record.fail(XappError("the answer of two models was given up"))

    def _answer(self, target: Target, record: TokenRecord) -> Answering:
        strategy, worker = target.request.strategy, target.model.supervisor.submit
        if isinstance(strategy, Guided):
            return GuidedAnswer(record, strategy, target, self._big, submit=worker, new_id=self._new_id)
        assert isinstance(strategy, Verified | BigLittle)
        tokens = list(record.request.prompt)
        drafting = msgspec.structs.replace(
            record.request,
            sampling=SamplingParams(),
            doubt_below=strategy.fallback if isinstance(strategy, BigLittle) else 0.0,
        )
        ahead = 1 if self._settings.pipeline else 0
        source = DraftSource(worker, self._new_id, drafting, tokens, ahead=ahead)
        link = Link(self._big, _opening(target, record.request, strategy), tokens, self._settings.timeout_s)
        little, vocab_size = target.model.name, target.serving.info.vocab_size
        return PairAnswer(record, strategy, source, link, tokens, little=little, vocab_size=vocab_size)


def _is_over(record: TokenRecord) -> bool:
    deadline = record.request.deadline
    return deadline is not None and deadline <= monotonic()


def _opening(target: Target, submit: Submit, strategy: Verified | BigLittle) -> Opening:
    request = target.request
    return Opening(
        model="",
        vocabulary=target.serving.codec.vocabulary,
        tokens=(),
        exact=isinstance(strategy, Verified),
        sampling=msgspec.structs.replace(submit.sampling, grammar=None),
        seed=submit.sampling.seed,
        ignore_eos=submit.ignore_eos,
        priority=submit.priority,
        correlation_id=request.correlation_id,
        deadline=submit.deadline,
        client=request.client,
        scope=request.scope,
    )
