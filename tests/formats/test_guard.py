"""What Finished says of an answer whose schema is checked elsewhere."""

from collections.abc import Sequence

import pytest

from xapp.domain.answers import Chunk, Finished
from xapp.domain.format_kinds import JsonSchema
from xapp.domain.messages import FinishReason
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument, Unavailable, XappError
from xapp.formats.guard import guard_format
from xapp.formats.prepare import Formats

SCHEMA = '{"type": "integer"}'
WHOLE = Finished(FinishReason.STOP, 1, 2, 0, 0.0, 0.0, 0.0, 0.0)


async def is_complete(outcome: list[str] | XappError) -> bool | None:
    """What Finished says when the check comes to this."""
    asked = []

    async def check(pairs: Sequence[tuple[str, str]], client: str) -> list[str]:
        asked.append((list(pairs), client))
        if isinstance(outcome, XappError):
            raise outcome
        return outcome

    formats = Formats()
    try:
        guard = await guard_format(formats, Request("go", client="c", format=JsonSchema(SCHEMA)), check)
        assert guard is not None
        for text in ("1", "2"):
            await guard.read(Chunk(text, 1))
        (finished,) = await guard.read(WHOLE)
    finally:
        formats.close()
    assert asked == [([(SCHEMA, "12")], "c")]
    assert isinstance(finished, Finished)
    return finished.format_complete


async def test_what_conforms_is_complete() -> None:
    assert await is_complete([""]) is True


@pytest.mark.parametrize(
    "outcome",
    [["is no JSON"], InvalidArgument("json", "takes too much work to check"), Unavailable("no text process")],
)
async def test_what_does_not_or_cannot_be_told_is_not(outcome: list[str] | XappError) -> None:
    assert await is_complete(outcome) is False
