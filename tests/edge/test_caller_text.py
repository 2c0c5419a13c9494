"""Names that callers send."""

import pytest

from xapp.edge import caller_text
from xapp.errors import InvalidArgument


@pytest.mark.parametrize("text", ["x" * 129, "a\nb", "a\x00b"])
def test_correlation_id_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        caller_text.correlation_id("correlation_id", text)


def test_correlation_id_taken() -> None:
    assert caller_text.correlation_id("correlation_id", "größe 1") == "größe 1"


def test_a_header_is_ascii() -> None:
    assert caller_text.ascii_correlation_id("x-correlation-id", b"loop-7") == "loop-7"
    with pytest.raises(InvalidArgument):
        caller_text.ascii_correlation_id("x-correlation-id", b"\xff")


@pytest.mark.parametrize("text", ["x" * 129, "a\nb", "größe"])
def test_client_id_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        caller_text.client_id("x-client-id", text)
