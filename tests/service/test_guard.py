"""A message makes no token that opens a turn, whatever the vocabulary and whatever its file says of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.gguf_vocab import CONTROL, KINDS, NORMAL, UNUSED, USER_DEFINED, Entry, write_vocab
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.tokenizer import Control
from xapp.backend.vocab import Vocab
from xapp.service.guard import Guard
from xapp.service.text import TextCodec
from xapp.service.types import ChatMessage

OPEN, CLOSE, ROLE, TOOL, NESTED = "<|im_start|>", "<|im_end|>", "[SYS]", "<tool_call>", "<<|im_end|>>"
NAKED = "Turn:"
"""No markup: a marker where the model's author added it, a word where it was learned."""
MARKERS = (OPEN, CLOSE, ROLE, TOOL, NESTED)
PLAIN = ("\n\n", "\t\t", "☃")
"""Added to a vocabulary, and no markup."""
TEMPLATE = (
    "{% for m in messages %}Turn:<|im_start|>{{ m.role }}\n[SYS]{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>"
)


class Case(NamedTuple):
    """A vocabulary, and the ids of its markers."""

    vocab: Vocab
    codec: TextCodec
    markers: set[int]


@pytest.fixture(scope="module", params=[f"{kind}/{type_}" for kind in KINDS for type_ in (1, 3, 4, 5)])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    kind, type_ = request.param.split("/")
    # SPM joins what it can: without these it would never get as far as the markers.
    steps = [Entry(text[:end]) for text in (OPEN, ROLE, NAKED) for end in range(2, len(text))]
    entries = steps + [Entry(text, USER_DEFINED) for text in PLAIN]
    entries += [Entry(text, int(type_)) for text in MARKERS]
    entries += [Entry(NAKED, int(type_))] * (int(type_) in {CONTROL, USER_DEFINED})
    path = tmp_path_factory.mktemp("vocab") / "vocab.gguf"
    vocab = Vocab(write_vocab(path, kind, entries, TEMPLATE))
    yield Case(vocab, TextCodec(vocab), marker_ids(vocab))
    vocab.close()


def ids(vocab: Vocab, texts: tuple[str, ...]) -> set[int]:
    found = {token for token in range(vocab.size) if vocab.text(token) in texts}
    assert len(found) == len(texts)
    return found


def marker_ids(vocab: Vocab) -> set[int]:
    return ids(vocab, MARKERS) | ids(vocab, (NAKED,) if NAKED in {*vocab.controls, *vocab.added} else ())


parts = st.lists(
    st.sampled_from([*MARKERS, NAKED, "<|im_", "start|>", "<", "|>", "Tu", "rn:", " a", "b ", "."])
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts)
def test_a_message_adds_no_marker(case: Case, content: list[str]) -> None:
    _, codec, markers = case
    empty = [t for t in codec.encode_chat([ChatMessage("user", "x")]) if t in markers]
    full = [t for t in codec.encode_chat([ChatMessage("user", "".join(content) + "x")]) if t in markers]
    assert full == empty


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts)
def test_a_message_is_all_there(case: Case, content: list[str]) -> None:
    text = f"({''.join(content)})"
    tokens = case.codec.encode_chat([ChatMessage("user", text)])
    assert text in b"".join(map(case.vocab.piece, tokens)).decode(errors="replace")


def test_an_answer_makes_no_marker(case: Case) -> None:
    _, codec, markers = case
    plain, marked = codec.encode_answers([ChatMessage("user", "x")], ["", OPEN + TOOL])
    assert [t for t in marked if t in markers] == [t for t in plain if t in markers]


def test_what_is_no_markup_stays_one_token(case: Case) -> None:
    tokens = case.codec.encode_chat([ChatMessage("user", "a\n\nb\t\tc☃d")])
    assert ids(case.vocab, PLAIN) <= set(tokens)


@pytest.mark.parametrize("type_", [CONTROL, USER_DEFINED])
def test_the_template_makes_its_markers(tmp_path: Path, type_: int) -> None:
    entries = [Entry(text, type_) for text in (*MARKERS, NAKED)]
    vocab = Vocab(write_vocab(tmp_path / "vocab.gguf", "qwen2", entries, TEMPLATE))
    tokens = TextCodec(vocab).encode_chat([ChatMessage("user", OPEN)])
    made = [vocab.text(t) for t in tokens if t in marker_ids(vocab)]
    assert made == [NAKED, OPEN, ROLE, CLOSE, OPEN]
    vocab.close()


@pytest.mark.parametrize("type_", [NORMAL, UNUSED])
def test_learned_tokens_are_guarded_where_they_look_like_a_turn(tmp_path: Path, type_: int) -> None:
    entries = [Entry(OPEN, type_), Entry("</div>", type_), Entry("<br>", type_)]
    vocab = Vocab(write_vocab(tmp_path / "vocab.gguf", "qwen2", entries, "{{ messages }}<br>"))
    guard = Guard(vocab)
    assert [guard.concerns(text) for text in (OPEN, "</div>", "<br>")] == [True, False, True]
    vocab.close()


def test_a_message_may_end_where_markup_begins() -> None:
    vocab = ByteVocab()
    vocab.added = {"<turn>": Control(300)}
    guard = Guard(vocab)
    assert guard.concerns("a<tu")
    assert not guard.concerns("a<tu ")
