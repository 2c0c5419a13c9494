"""A message makes no token that opens a turn, whatever the vocabulary and whatever its file says of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scale import examples
from tests.text.vocab_files import CONTROL, KINDS, NORMAL, UNUSED, USER_DEFINED, write_vocab
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.tokenizer import Control
from xapp.backend.vocab import Vocab
from xapp.domain.chat import ChatMessage
from xapp.errors import ModelError
from xapp.text.codec import TextCodec
from xapp.text.guard import MARK, Guard, is_added_markup, is_plain_markup

OPEN, CLOSE, ROLE, TOOL, NESTED = "<|im_start|>", "<|im_end|>", "[SYS]", "<tool_call>", "<<|im_end|>>"
NAKED = "Turn:"
"""No markup: a marker where the model's author added it, a word where it was learned."""
MARKERS = (OPEN, CLOSE, ROLE, TOOL, NESTED)
PLAIN = ("\n\n", "\t\t", "☃", "==", "don't")
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
    kind, number = request.param.split("/")
    type_ = int(number)
    # SPM joins what it can: without these it would never get as far as the markers.
    steps = [text[:end] for text in (OPEN, ROLE, NAKED) for end in range(2, len(text))]
    added = dict.fromkeys(steps, NORMAL) | dict.fromkeys(PLAIN, USER_DEFINED) | dict.fromkeys(MARKERS, type_)
    added |= {NAKED: type_} if type_ in {CONTROL, USER_DEFINED} else {}
    path = tmp_path_factory.mktemp("vocab") / "vocab.gguf"
    vocab = Vocab(write_vocab(path, kind, added, tokenizer__chat_template=TEMPLATE))
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


@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts)
def test_a_message_adds_no_marker(case: Case, content: list[str]) -> None:
    _, codec, markers = case
    empty = [t for t in codec.encode_chat([ChatMessage("user", "x")]) if t in markers]
    full = [t for t in codec.encode_chat([ChatMessage("user", "".join(content) + "x")]) if t in markers]
    assert full == empty


@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
    tokens = case.codec.encode_chat([ChatMessage("user", "a\n\nb\t\tc☃d==e,don'tf")])
    assert ids(case.vocab, PLAIN) <= set(tokens)


@pytest.mark.parametrize("type_", [CONTROL, USER_DEFINED])
def test_the_template_makes_its_markers(tmp_path: Path, type_: int) -> None:
    added = dict.fromkeys((*MARKERS, NAKED), type_)
    path = write_vocab(tmp_path / "v.gguf", "qwen2", added, tokenizer__chat_template=TEMPLATE)
    vocab = Vocab(path)
    tokens = TextCodec(vocab).encode_chat([ChatMessage("user", OPEN)])
    made = [vocab.text(t) for t in tokens if t in marker_ids(vocab)]
    assert made == [NAKED, OPEN, ROLE, CLOSE, OPEN]
    vocab.close()


@pytest.mark.parametrize("type_", [CONTROL, USER_DEFINED])
def test_a_raw_prompt_may_write_them(tmp_path: Path, type_: int) -> None:
    vocab = Vocab(write_vocab(tmp_path / "v.gguf", added={"<|turn|>": type_}))
    codec = TextCodec(vocab)
    assert codec.encode("<|turn|>hi") == [vocab.size - 1, *codec.encode("hi")]
    vocab.close()


@pytest.mark.parametrize("type_", [NORMAL, UNUSED])
def test_learned_tokens_are_guarded_where_they_look_like_a_turn(tmp_path: Path, type_: int) -> None:
    added = {OPEN: type_, "</div>": type_, "<br>": type_, "[0]": type_}
    template = "{{ messages[0] }}<br>"
    vocab = Vocab(write_vocab(tmp_path / "v.gguf", "qwen2", added, tokenizer__chat_template=template))
    guard = Guard(vocab)
    assert [guard.concerns(text) for text in added] == [True, False, True, False]
    vocab.close()


@pytest.mark.parametrize(
    "text", [OPEN, "</s>", "[INST]", TOOL, "<｜User｜>", ">>TITLE<<", "{{turn}}", "#user", "role:"]
)
def test_what_is_added_and_looks_like_markup_is(text: str) -> None:
    assert is_added_markup(text, "")


@pytest.mark.parametrize("text", ["  ", "▁▁", "\n\n", "\t", "ü", "÷", "word", "12", "==", "don't"])
def test_space_letters_words_and_signs_are_text(text: str) -> None:
    assert not is_added_markup(text, "")


def test_what_the_template_writes_is_markup() -> None:
    assert is_added_markup("TURN", "TURN {{ x }}")
    assert is_plain_markup("<turn>", "{{ '<turn>' }}")
    assert not is_plain_markup("<turn>", "")
    for ordinary in ("<", "{%", "['", "[0]", "for", "\n", "<'a'>"):
        assert not is_plain_markup(ordinary, "<{%['[0] for\n<'a'>")


def guard_of(*texts: str) -> Guard:
    vocab = ByteVocab()
    vocab.controls = {}
    vocab.added = {text: Control(300 + index) for index, text in enumerate(texts)}
    return Guard(vocab)


def test_a_message_may_end_where_markup_begins() -> None:
    guard = guard_of("<turn>")
    assert guard.concerns("a<tu")
    assert not guard.concerns("a<tu b")


def test_a_template_that_cuts_white_space_off_joins_nothing() -> None:
    guard = guard_of("<turn>")
    assert guard.concerns("a<tu \n")
    assert guard.mark("a<tu \n") == f"a<tu{MARK} \n"


def test_markup_that_overlaps_is_marked_in_each() -> None:
    assert guard_of("<ab>", "b><").mark("<ab><") == f"<{MARK}ab{MARK}><{MARK}"


def test_thousands_of_markers_are_told_apart() -> None:
    texts = [f"<unused{number}>" for number in range(500)]
    guard = guard_of(*texts)
    assert all(guard.concerns(text) and MARK in guard.mark(text) for text in texts)
    assert not guard.concerns("<unused500>")


def test_a_control_token_of_a_page_is_refused(tmp_path: Path) -> None:
    path = write_vocab(tmp_path / "v.gguf", added={"<" + "x" * 100_000 + ">": CONTROL})
    with pytest.raises(ModelError, match=r"v\.gguf: a control token of 100,002 characters"):
        Vocab(path)
