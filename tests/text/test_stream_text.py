from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.text.stream_text import TextStream


def bytes_of(token: int) -> bytes:
    return bytes([token])


def run(data: bytes, stop: Sequence[str] = (), sizes: Sequence[int] = ()) -> tuple[list[str], TextStream]:
    """Feeds `data` in pieces of the given sizes (then byte by byte); tokens are bytes."""
    stream, parts, rest = TextStream(bytes_of, stop), [], list(data)
    for size in sizes:
        parts.append(stream.feed(rest[:size]))
        rest = rest[size:]
    parts += [stream.feed([token]) for token in rest]
    return [*parts, stream.flush()], stream


def reference(text: str, stop: Sequence[str]) -> str:
    """Cut at the stop string that is complete first; of those, the longest."""
    for end in range(len(text) + 1):
        done = [item for item in stop if text[:end].endswith(item)]
        if done:
            return text[: end - max(map(len, done))]
    return text


sizes = st.lists(st.integers(0, 7), max_size=30)


@given(st.text(), sizes)
def test_text_comes_out_whole_for_any_split(text: str, sizes: list[int]) -> None:
    parts, stream = run(text.encode(), (), sizes)
    assert "".join(parts) == text
    assert "\ufffd" not in "".join(parts) or "\ufffd" in text
    assert not stream.stopped


@given(st.binary(), sizes)
def test_invalid_bytes_come_out_as_a_whole_decode_would(data: bytes, sizes: list[int]) -> None:
    assert "".join(run(data, (), sizes)[0]) == data.decode(errors="replace")


@given(st.text("abé☃"), st.lists(st.text("abé☃", min_size=1, max_size=5), min_size=1, max_size=4), sizes)
def test_stop_cuts_at_the_same_place_for_any_split(text: str, stop: list[str], sizes: list[int]) -> None:
    parts, stream = run(text.encode(), stop, sizes)
    assert "".join(parts) == reference(text, stop)
    assert stream.stopped == any(item in text for item in stop)
    assert stream.stop_text in (stop if stream.stopped else ("",))


@given(st.text("ab"), st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=4))
def test_holds_back_no_more_than_a_stop_needs(text: str, stop: list[str]) -> None:
    stream, out = TextStream(bytes_of, stop), ""
    for end, char in enumerate(text, 1):
        out += stream.feed(char.encode())
        if stream.stopped:
            break
        held = text[len(out) : end]
        longest = max((len(p) for s in stop for p in prefixes(s) if text[:end].endswith(p)), default=0)
        assert len(held) == longest


def prefixes(stop: str) -> list[str]:
    return [stop[:end] for end in range(1, len(stop))]


def test_character_over_several_tokens_waits_for_its_last() -> None:
    stream = TextStream(bytes_of)
    assert [stream.feed([byte]) for byte in "☃".encode()] == ["", "", "☃"]


def test_unfinished_character_becomes_a_replacement_at_the_end() -> None:
    assert run(b"ok\xe2\x98")[0] == ["o", "k", "", "", "\ufffd"]


def test_invalid_byte_is_replaced_as_soon_as_it_is_certain() -> None:
    stream = TextStream(bytes_of)
    assert [stream.feed([0xFF]), stream.feed([0xE2]), stream.feed([0x41])] == ["\ufffd", "", "\ufffdA"]


def test_nothing_comes_after_the_stop() -> None:
    stream = TextStream(bytes_of, ["\n\n"])
    assert stream.feed(b"a\n") == "a"
    assert stream.feed(b"\nb") == ""
    assert stream.stopped
    assert stream.feed(b"c") == ""
    assert stream.flush() == ""


def test_held_text_is_released_when_the_stop_does_not_come() -> None:
    stream = TextStream(bytes_of, ["User:"])
    assert [stream.feed(b"x Us"), stream.feed(b"ual"), stream.feed(b" U"), stream.flush()] == [
        "x ",
        "Usual",
        " ",
        "U",
    ]


@pytest.mark.parametrize("stop", [["abcd", "bc"], ["bc", "abcd"]])
def test_first_complete_stop_wins(stop: list[str]) -> None:
    assert "".join(run(b"xabcd", stop)[0]) == "xa"
    assert "".join(run(b"xabcd", stop, [5])[0]) == "xa"


def test_empty_tokens_and_empty_feeds_are_nothing() -> None:
    stream = TextStream(lambda _token: b"", ["x"])
    assert stream.feed([]) + stream.feed([1, 2]) + stream.flush() == ""
