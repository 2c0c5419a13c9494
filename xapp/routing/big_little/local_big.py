"""LocalBig: the big model is another worker of this node."""

from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from xapp.domain.answers import Chunk, Finished
from xapp.domain.finish_reason import FinishReason
from xapp.domain.requests import Request
from xapp.domain.service import Generation
from xapp.domain.verification import Opening, Verification
from xapp.routing.big_little.big_side import BigSession, Guidance, Traffic


class Answering(Generation, Verification, Protocol):
    """The part of a service that a big model needs."""


class LocalBig:
    """A BigSide. Nothing travels, so `traffic` stays 0."""

    def __init__(self, service: Answering, model: str) -> None:
        self._service = service
        self._model = model

    async def open_session(self, opening: Opening, traffic: Traffic) -> BigSession:
        """See BigSide."""
        return await self._service.open_session(replace(opening, model=self._model))

    async def write(self, request: Request, traffic: Traffic) -> Guidance:
        """See BigSide."""
        text, whole = "", False
        async with aclosing(self._service.generate(replace(request, model=self._model))) as events:
            async for event in events:
                if isinstance(event, Chunk):
                    text += event.text
                elif isinstance(event, Finished):
                    whole = event.reason is FinishReason.STOP
        return Guidance(text, whole, self._model)

    async def aclose(self) -> None:
        """Nothing to end."""
