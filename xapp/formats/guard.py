"""One answer that is held to a format: reads it along and says at its end whether it is whole."""

from dataclasses import replace

from xapp.domain.answers import Chunk, Event, Finished
from xapp.domain.messages import FinishReason
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.formats.prepare import Formats, Prepared


class FormatGuard:
    """`read` every event of the answer, in order."""

    def __init__(self, formats: Formats, prepared: Prepared) -> None:
        self._formats = formats
        self._prepared = prepared
        self._texts: list[str] = []

    @property
    def program(self) -> bytes:
        """The grammar for the worker."""
        return self._prepared.program

    async def read(self, event: Event) -> Event:
        """The event; Finished says in addition whether the answer is whole and conforms."""
        if isinstance(event, Chunk):
            self._texts.append(event.text)
        elif isinstance(event, Finished):
            return replace(event, format_complete=await self._is_complete(event))
        return event

    async def _is_complete(self, finished: Finished) -> bool:
        # An answer that was cut is not whole, even where what there is conforms: 12 may have become 120.
        if finished.reason is not FinishReason.STOP:
            return False
        return await self._formats.conforms(self._prepared, "".join(self._texts))


async def guard_format(formats: Formats, request: Request) -> FormatGuard | None:
    """None without a format. Raises InvalidArgument naming the field."""
    if request.format is None:
        return None
    if request.ignore_eos:
        raise InvalidArgument("ignore_eos", "cannot be set beside format: the format says where answers end")
    return FormatGuard(formats, await formats.prepare(request.format, request.scope))
