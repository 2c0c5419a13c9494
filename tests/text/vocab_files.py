"""Small vocabularies of each kind, as files that llama.cpp loads."""

from collections.abc import Mapping
from pathlib import Path

from tests.models.gguf_file import Value, gguf_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}<|turn|>assistant\n"
)


def byte_letters() -> list[str]:
    """How GPT-2's vocabulary writes each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    return [letters.get(byte) or chr(256 + sum(b not in letters for b in range(byte))) for byte in range(256)]


def write_vocab(
    path: Path, *, kind: str = "gpt2", added: Mapping[str, int] | None = None, **more: Value
) -> Path:
    """`added` maps the text of further tokens to their types. A keyword `a__b` is the key a.b."""
    texts, types, bos = _ORIGINS[kind]()
    texts += list(added or {})
    types += list((added or {}).values())
    values: dict[str, Value] = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": kind,
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": bos,
        "tokenizer.ggml.eos_token_id": bos,
        "tokenizer.chat_template": TEMPLATE,
    }
    if kind == "gpt2":
        values |= {"tokenizer.ggml.merges": ["a a", "h i"], "tokenizer.ggml.pre": "default"}
    values |= {key.replace("__", "."): value for key, value in more.items()}
    path.write_bytes(gguf_bytes(values, tensors=(), data=0))
    return path


def _bpe() -> tuple[list[str], list[int], int]:
    texts = [*byte_letters(), "aa", "hi", "<|end_of_text|>"]
    return texts, [NORMAL] * 258 + [CONTROL], 258


def _spm() -> tuple[list[str], list[int], int]:
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "aa", "hi"]
    return texts, [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * 4], 1


def _spm_without_bytes() -> tuple[list[str], list[int], int]:
    return ["<unk>", "<s>", "</s>", "▁", "a"], [UNKNOWN, CONTROL, CONTROL, NORMAL, NORMAL], 1


_ORIGINS = {"gpt2": _bpe, "llama": _spm}


def write_byteless(path: Path) -> Path:
    """A SentencePiece vocabulary without byte tokens: llama.cpp gives up on what it has no token for."""
    texts, types, _ = _spm_without_bytes()
    return write_vocab(path, kind="llama", tokenizer__ggml__tokens=texts, tokenizer__ggml__token_type=types)
