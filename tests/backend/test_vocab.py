from collections.abc import Iterator
from pathlib import Path

import pytest

from xapp.backend.vocab import Vocab
from xapp.errors import ModelError


@pytest.fixture(scope="module")
def vocab(default_model_path: Path) -> Iterator[Vocab]:
    vocab = Vocab(default_model_path)
    yield vocab
    vocab.close()
    vocab.close()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing\.gguf: No such file"):
        Vocab(tmp_path / "missing.gguf")


def test_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Is a directory"):
        Vocab(tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "failed to read magic"),
        (b"hello world", "invalid magic"),
        (b"GGUF", "failed to read header"),
        (b"GGUF\xff\0\0\0" + bytes(100), "version 255"),
    ],
)
def test_no_model_is_refused_in_llamas_words(
    tmp_path: Path, data: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=reason) as caught:
        Vocab(path)
    assert str(path) in caught.value.message
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_truncated_model_is_refused(tmp_path: Path, default_model_path: Path) -> None:
    path = tmp_path / "short.gguf"
    with default_model_path.open("rb") as whole:
        path.write_bytes(whole.read(5_000_000))
    with pytest.raises(ModelError, match="corrupted or incomplete"):
        Vocab(path)


@pytest.mark.slow
def test_facts_of_the_default_model(vocab: Vocab) -> None:
    assert (vocab.size, vocab.bos, vocab.eos, vocab.add_bos) == (49152, 1, 2, False)
    assert vocab.controls["<|im_end|>"] == 2
    assert vocab.is_end(2)
    assert not vocab.is_end(100)
    assert not vocab.is_end(10**6)
    assert vocab.meta("general.architecture") == "llama"
    assert vocab.meta("no.such.key") is None
    assert "<|im_start|>" in (vocab.chat_template or "")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["hello", "a\0b", "☃ é 𝄞", "", "x" * 100_000, " " * 1000])
def test_text_survives(vocab: Vocab, text: str) -> None:
    tokens = vocab.tokenize(text)
    assert b"".join(map(vocab.piece, tokens)) == text.encode()
    assert len(text.encode()) <= len(tokens) * vocab.max_piece_bytes


@pytest.mark.slow
def test_control_tokens_are_parsed_only_on_demand_and_silent(vocab: Vocab) -> None:
    assert vocab.tokenize("<|im_end|>", parse_special=True) == [2]
    assert 2 not in vocab.tokenize("<|im_end|>")
    assert vocab.piece(2) == b""
    assert vocab.text(2) == "<|im_end|>"


@pytest.mark.slow
@pytest.mark.parametrize("token", [-1, 49152])
def test_token_out_of_range(vocab: Vocab, token: int) -> None:
    with pytest.raises(ValueError, match="outside the vocabulary"):
        vocab.piece(token)
