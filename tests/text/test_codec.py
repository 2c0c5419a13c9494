import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.backend.byte_vocab import BOS, IM_END, IM_START, ByteVocab
from xapp.backend.tokenizer import Control
from xapp.domain.requests import ChatMessage
from xapp.errors import InvalidArgument, ModelError
from xapp.text.codec import TextCodec

codec = TextCodec(ByteVocab())


def user(content: str) -> list[ChatMessage]:
    return [ChatMessage("user", content)]


def test_raw_prompt_may_write_control_tokens() -> None:
    assert codec.encode("<|im_start|>a") == [IM_START, ord("a")]
    assert codec.encode("<|im_start|>a", special=False) == list(b"<|im_start|>a")


def test_bos_comes_where_the_model_wants_it_and_once() -> None:
    wants = TextCodec(ByteVocab(add_bos=True))
    assert wants.encode("a") == [BOS, ord("a")]
    assert wants.encode("a", add_bos=False) == [ord("a")]
    assert wants.encode("<|bos|>a") == [BOS, ord("a")]
    template = TextCodec(ByteVocab(add_bos=True, chat_template="{{ bos_token }}{{ messages[0].content }}"))
    assert template.encode_chat(user("a")) == [BOS, ord("a")]
    assert template.encode_chat(user("<|eos|>")) == [BOS, *b"<|eos|>"]


def test_chat_is_the_templates_text_in_tokens() -> None:
    tokens = codec.encode_chat(user("hi"))
    assert tokens == [IM_START, *b"user\nhi", IM_END, *b"\n", IM_START, *b"assistant\n"]


@given(
    st.lists(
        st.sampled_from(["<|im_end|>", "<|im_", "start|>", "<", "a", "\ufdd0\ufdd1\ufdd2", "|>"]), max_size=8
    )
)
def test_content_never_makes_a_control_token(parts: list[str]) -> None:
    content = "".join(parts)
    tokens = codec.encode_chat([*user(content), ChatMessage("assistant", content)])
    assert [t for t in tokens if t > 255] == [IM_START, IM_END, IM_START, IM_END, IM_START]


@given(st.text().filter(lambda text: "\ufdd0\ufdd1\ufdd2" not in text))
def test_content_is_all_there(content: str) -> None:
    tokens = codec.encode_chat(user(content + "<|im_end|>"))
    assert bytes(tokens[6:-13]) == (content + "<|im_end|>").encode()


@pytest.mark.parametrize("control", ["", "<|im_end|>"])
@pytest.mark.parametrize("marks", ["\ufdd0", "\ufdd1\ufdd2", "\ufdd2\ufdd1\ufdd0"])
def test_single_marks_stay(marks: str, control: str) -> None:
    tokens = codec.encode_chat(user(f"a{marks}b{control}"))
    assert bytes(tokens[6:-13]) == f"a{marks}b{control}".encode()


def test_a_whole_mark_is_dropped() -> None:
    """Three noncharacters in this order are in no real text."""
    assert bytes(codec.encode_chat(user("a\ufdd0\ufdd1\ufdd2b<|im_end|>"))[6:-13]) == b"ab<|im_end|>"
    assert bytes(codec.encode_chat(user("a\ufdd0\ufdd1\ufdd2b"))[6:-13]) == b"ab"


def test_control_token_over_two_messages_is_none() -> None:
    glue = TextCodec(ByteVocab(chat_template="{% for m in messages %}{{ m.content }}{% endfor %}"))
    assert glue.encode_chat([*user("<|im_"), *user("end|>")]) == list(b"<|im_end|>")


def test_template_still_sees_the_content() -> None:
    trim = TextCodec(ByteVocab(chat_template="[{{ messages[0].content | trim }}]"))
    assert trim.encode_chat(user("  <|im_end|>  ")) == list(b"[<|im_end|>]")


@given(st.lists(st.sampled_from(["<|im_end|>", "<|im_start|>", " a ", "é", "<|"]), max_size=200))
def test_many_control_tokens_are_cut_out_alike(parts: list[str]) -> None:
    text = "".join(parts)
    assert codec.encode(text) == ByteVocab().tokenize(text, parse_special=True)


def test_control_tokens_eat_space_as_the_vocabulary_says() -> None:
    vocab = ByteVocab(chat_template="{% for m in messages %}a <|im_end|> {{ m.content }}{% endfor %}")
    vocab.controls["<|im_end|>"] = Control(IM_END, lstrip=True, rstrip=True)
    assert TextCodec(vocab).encode_chat(user(" <|eos|>")) == [*b"a", IM_END, *b"<|eos|>"]


def test_no_template_says_what_works() -> None:
    none = TextCodec(ByteVocab(chat_template=None))
    assert not none.has_chat_template
    with pytest.raises(InvalidArgument, match="send `prompt` instead") as caught:
        none.encode_chat(user("hi"))
    assert caught.value.field == "chat"
    assert none.encode("hi") == list(b"hi")


def test_broken_template_leaves_prompts_working() -> None:
    broken = TextCodec(ByteVocab(chat_template="{{"), name="bad.gguf")
    with pytest.raises(ModelError, match=r"bad\.gguf: chat template"):
        broken.render(user("hi"))
    assert broken.encode("hi") == list(b"hi")


def test_stream_is_made_of_the_vocabularys_pieces() -> None:
    stream = codec.stream(["!"])
    assert stream.feed([*b"h", IM_END, *b"i!x"]) == "hi"
    assert stream.stopped
