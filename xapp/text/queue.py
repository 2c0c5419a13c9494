"""Texts that wait for their turn, each client's behind one another and the clients in turn."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from xapp.text.messages import ToText


@dataclass(slots=True)
class Job:
    """A text on its way. `field` is what an error names; `result` lists of tokens, or a text."""

    request: ToText
    field: str
    client: str
    result: "asyncio.Future[Any]"
    num_lost: int = 0
    timer: asyncio.TimerHandle | None = None

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.result.done()


class FairQueue:
    """First come, first served for each client; the clients one after the other.

    So the many texts of one hold up another for as long as one text takes. The caller bounds its length.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[Job]] = OrderedDict()

    def put(self, job: Job) -> None:
        """Behind the same client's others."""
        self._clients.setdefault(job.client, deque()).append(job)

    def put_back(self, job: Job) -> None:
        """Before all others: its turn was lost."""
        self._clients.setdefault(job.client, deque()).appendleft(job)
        self._clients.move_to_end(job.client, last=False)

    def take(self) -> Job | None:
        """The next that somebody waits for; None when there is none."""
        while self._clients:
            client, jobs = self._clients.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._clients[client] = jobs
            if not job.given_up:
                return job
        return None

    def take_all(self) -> list[Job]:
        """Empties it."""
        found = []
        while (job := self.take()) is not None:
            found.append(job)
        return found
