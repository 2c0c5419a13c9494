"""FormatGuard: reads an answer with a format, and reports at its end whether it is complete."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from xapp.domain.answers import Chunk, Event, Finished
from xapp.domain.format_kinds import JsonSchema, ToolCalls
from xapp.domain.messages import FinishReason
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument, Unavailable
from xapp.formats.prepare import Formats, Prepared
from xapp.formats.tool_guard import ToolGuard

Check: TypeAlias = Callable[[Sequence[tuple[str, str]], str], Awaitable[list[str]]]
"""For each schema and JSON text the fault, "" where there is none. The other argument is the client."""


class FormatGuard:
    """Call `read` with every event of the answer, in order. `check` runs in the model's text process."""

    def __init__(self, formats: Formats, prepared: Prepared, request: Request, check: Check) -> None:
        self._formats = formats
        self._prepared = prepared
        self._request = request
        self._check = check
        self._texts: list[str] = []

    @property
    def program(self) -> bytes:
        """The grammar for the worker."""
        return self._prepared.program

    async def read(self, event: Event) -> list[Event]:
        """The event. Finished also has whether the answer is complete and conforms."""
        if isinstance(event, Chunk):
            self._texts.append(event.text)
        elif isinstance(event, Finished):
            return [replace(event, format_complete=await self._is_complete(event))]
        return [event]

    async def _is_complete(self, finished: Finished) -> bool:
        # A cut answer is not complete, even if the text so far conforms: 12 may have become 120.
        if finished.reason is not FinishReason.STOP:
            return False
        text = "".join(self._texts)
        if self._prepared.conforms is not None:
            return await self._formats.conforms(self._prepared.conforms, text)
        return await self._conforms_to_schema(text)

    async def _conforms_to_schema(self, text: str) -> bool:
        assert isinstance(self._request.format, JsonSchema)
        try:
            faults = await self._check([(self._request.format.text, text)], self._request.client)
        except (InvalidArgument, Unavailable):
            # The check did not finish: a caller must not rely on an unchecked answer.
            return False
        return not any(faults)


async def guard_format(formats: Formats, request: Request, check: Check) -> FormatGuard | ToolGuard | None:
    """None without a format. Raises InvalidArgument with the field."""
    if request.format is None:
        return None
    if request.ignore_eos:
        raise InvalidArgument("ignore_eos", "cannot be set beside format: the format says where answers end")
    prepared = await formats.prepare(request.format, request.scope)
    if isinstance(request.format, ToolCalls):
        return ToolGuard(prepared.program)
    return FormatGuard(formats, prepared, request, check)
