"""FairQueue: waiting texts, in order for each client, and the clients in turn."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from xapp.text.messages import ToText


@dataclass(slots=True)
class Job:
    """A text in progress. `field` is the field for errors. `result` is lists of tokens, or a text."""

    request: ToText
    field: str
    client: str
    result: "asyncio.Future[Any]"
    num_lost: int = 0
    timer: asyncio.TimerHandle | None = None

    @property
    def given_up(self) -> bool:
        """Whether its caller no longer waits."""
        return self.result.done()


class FairQueue:
    """In order of arrival for each client, with the clients in turn.

    Many texts of one client delay another client only for the time of one text. The caller bounds the length.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[Job]] = OrderedDict()

    def put(self, job: Job) -> None:
        """Adds a text behind the same client's texts."""
        self._clients.setdefault(job.client, deque()).append(job)

    def put_back(self, job: Job) -> None:
        """Puts a text before all others, because its first attempt was lost."""
        self._clients.setdefault(job.client, deque()).appendleft(job)
        self._clients.move_to_end(job.client, last=False)

    def take(self) -> Job | None:
        """The next text whose caller still waits, or None."""
        while self._clients:
            client, jobs = self._clients.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._clients[client] = jobs
            if not job.given_up:
                return job
        return None

    def take_all(self) -> list[Job]:
        """Removes and returns all texts."""
        found = []
        while (job := self.take()) is not None:
            found.append(job)
        return found
