"""Writes small GGUF files that are a vocabulary and nothing else, of each kind that can generate text."""

from collections.abc import Mapping
from pathlib import Path

from tests.models.gguf_file import Value, gguf_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
BPE_KINDS = ("default", "gpt-2", "llama-bpe", "qwen2", "deepseek-llm", "falcon", "command-r", "smollm")
KINDS = ("spm", "spm-space", *BPE_KINDS)
"""SentencePiece without and with a space before each text; else how a BPE vocabulary cuts text first."""
TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}<|turn|>assistant\n"
)
_ORIGIN = {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL}


def write_vocab(
    path: Path, kind: str = "default", added: Mapping[str, int] | None = None, **more: Value
) -> Path:
    """One token a byte, then those of `added`, which maps their text to their type.

    A keyword `a__b` is the key a.b of the file. Returns the path.
    """
    tokens = _ORIGIN | (_spm_tokens() if _is_spm(kind) else _bpe_tokens()) | dict(added or {})
    values: dict[str, Value] = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "llama" if _is_spm(kind) else "gpt2",
        "tokenizer.ggml.tokens": list(tokens),
        "tokenizer.ggml.token_type": list(tokens.values()),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": TEMPLATE,
        **(_spm(len(tokens), space=kind == "spm-space") if _is_spm(kind) else _bpe(kind)),
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    path.write_bytes(gguf_bytes(values, tensors=(), data=0))
    return path


def write_byteless(path: Path) -> Path:
    """A SentencePiece vocabulary without byte tokens: llama.cpp gives up on what it has no token for."""
    tokens = {**_ORIGIN, "▁": NORMAL, "a": NORMAL}
    types: list[int] = list(tokens.values())
    scores = [float(-index) for index in range(len(tokens))]
    return write_vocab(
        path,
        "spm",
        tokenizer__ggml__tokens=list(tokens),
        tokenizer__ggml__token_type=types,
        tokenizer__ggml__scores=scores,
    )


def _is_spm(kind: str) -> bool:
    return kind.startswith("spm")


def _spm_tokens() -> dict[str, int]:
    letters = [chr(byte) for byte in range(0x21, 0x7F)] + ["▁"]
    return {f"<0x{byte:02X}>": BYTE for byte in range(256)} | dict.fromkeys(letters, NORMAL)


def _bpe_tokens() -> dict[str, int]:
    """How BPE writes the 256 bytes, and what is merged."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    num_hidden = 256 - len(shown)
    letters = [chr(byte) for byte in shown] + [chr(256 + index) for index in range(num_hidden)]
    return dict.fromkeys([*letters, "aa", "hi"], NORMAL)


def _spm(count: int, *, space: bool) -> Mapping[str, Value]:
    return {
        "tokenizer.ggml.scores": [float(-index) for index in range(count)],
        "tokenizer.ggml.add_space_prefix": space,
    }


def _bpe(kind: str) -> Mapping[str, Value]:
    """`none` states no kind."""
    pre: dict[str, Value] = {} if kind == "none" else {"tokenizer.ggml.pre": kind}
    return {"tokenizer.ggml.merges": ["a a", "h i"], **pre}


def write_endless(path: Path) -> Path:
    """An RWKV vocabulary that knows how `ab` goes on, but no `a`: llama.cpp looks for it for ever."""
    tokens: dict[str, int] = {"<s>": CONTROL, "ab": NORMAL}
    types: list[int] = list(tokens.values())
    return write_vocab(
        path,
        tokenizer__ggml__model="rwkv",
        tokenizer__ggml__tokens=list(tokens),
        tokenizer__ggml__token_type=types,
    )
