"""What a caller writes makes no token that only the template may write, whatever the file calls it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.vocab_files import CONTROL, NORMAL, UNUSED, USER_DEFINED, write_vocab
from xapp.backend.vocab import Vocab, is_markup
from xapp.errors import ModelError
from xapp.text.chat import ChatMessage
from xapp.text.codec import TextCodec

MARKUP = [
    "<|turn|>",
    "<|end|>",
    "</s>",
    "[INST]",
    "<tool_call>",
    "<｜User｜>",
    ">>TITLE<<",
    "{{turn}}",
    "#user",
]
NO_MARKUP = ["  ", "\n\n", "\t", "ü", "÷", "word", "12"]


@pytest.mark.parametrize("text", MARKUP)
def test_what_is_added_and_looks_like_markup_is(text: str) -> None:
    assert is_markup(text, "", added=True)


@pytest.mark.parametrize("text", NO_MARKUP)
def test_space_letters_and_words_are_text(text: str) -> None:
    assert not is_markup(text, "", added=True)


def test_what_the_template_writes_is_markup() -> None:
    assert is_markup("TURN", "TURN {{ x }}", added=True)
    assert is_markup("<|turn|>", "{{ '<|turn|>' }}", added=False)
    assert not is_markup("<|turn|>", "", added=False)
    for ordinary in ("<", "{%", "['", "[0]", "for", "\n", "<'a'>"):
        assert not is_markup(ordinary, "<{%['[0] for\n<'a'>", added=False)


_types = st.sampled_from([NORMAL, CONTROL, USER_DEFINED, UNUSED])
_alphabet = "<|[]>/_ \nab\u00e9\u2581\uff5c"
_vocabularies = st.dictionaries(
    st.text(_alphabet, min_size=2, max_size=8).map(lambda text: f"<|{text}"), _types, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["gpt2", "llama"]), _vocabularies, _types, _types, st.data())
def test_content_makes_no_markup_in_any_vocabulary(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    added: dict[str, int],
    turn: int,
    end: int,
    data: st.DataObject,
) -> None:
    added = {**added, "<|turn|>": turn, "<|end|>": end}
    path = write_vocab(tmp_path_factory.mktemp("vocab") / "v.gguf", kind=kind, added=added)
    vocab = Vocab(path)
    try:
        codec = TextCodec(vocab)
        pieces = [
            *added,
            *(text[: len(text) // 2] for text in added),
            *(text[1:] for text in added),
            "a",
            " ",
        ]
        content = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=6)))
        first = vocab.size - len(added)
        markup = {
            first + index
            for index, (text, type_) in enumerate(added.items())
            if type_ == CONTROL or is_markup(text, vocab.chat_template or "", added=type_ == USER_DEFINED)
        }
        plain = codec.encode_chat([ChatMessage("user", "x")])
        attack = codec.encode_chat([ChatMessage("user", content)])
        assert [token for token in attack if token in markup] == [token for token in plain if token in markup]
        assert len([token for token in plain if token in markup]) == 3
    finally:
        vocab.close()


@pytest.mark.parametrize("type_", [USER_DEFINED, NORMAL])
def test_a_raw_prompt_may_write_it_and_an_answer_shows_it(tmp_path: Path, type_: int) -> None:
    vocab = Vocab(write_vocab(tmp_path / "v.gguf", added={"<|turn|>": type_}))
    codec = TextCodec(vocab)
    turn = vocab.size - 1
    assert codec.encode("<|turn|>hi") == [turn, *codec.encode("hi")]
    assert codec.piece(turn) == b"<|turn|>"


def test_a_control_token_of_a_page_is_refused(tmp_path: Path) -> None:
    path = write_vocab(tmp_path / "v.gguf", added={"<" + "x" * 100_000 + ">": CONTROL})
    with pytest.raises(ModelError, match=r"v\.gguf: a control token of 100,002 characters"):
        Vocab(path)
