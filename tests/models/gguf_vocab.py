"""Writes small GGUF files that are a vocabulary and nothing else, of each kind that can generate text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.models.gguf_file import Value, gguf_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
BPE_KINDS = ("default", "gpt-2", "llama-bpe", "qwen2", "deepseek-llm", "falcon", "command-r", "smollm")
KINDS = ("spm", "spm-space", *BPE_KINDS)


@dataclass(frozen=True)
class Entry:
    """A token whose text is `text`."""

    text: str
    type: int = NORMAL


def write_vocab(path: Path, kind: str, entries: list[Entry], template: str) -> Path:
    """One token a byte, what merges make of letters for SPM, then `entries`. Returns the path."""
    spm = kind.startswith("spm")
    basis = _spm_bytes() if spm else [Entry(char) for char in byte_characters()]
    whole = [Entry("<unk>", UNKNOWN), Entry("<s>", CONTROL), Entry("</s>", CONTROL), *basis, *entries]
    values: dict[str, Value] = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "llama" if spm else "gpt2",
        "tokenizer.ggml.tokens": [each.text for each in whole],
        "tokenizer.ggml.token_type": [each.type for each in whole],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": template,
        **(_spm(len(whole), space=kind == "spm-space") if spm else _bpe(kind)),
    }
    path.write_bytes(gguf_bytes(values, tensors=(), data=0))
    return path


def byte_characters() -> list[str]:
    """How BPE writes the 256 bytes."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + index) for index in range(len(hidden))]


def _spm_bytes() -> list[Entry]:
    letters = [chr(byte) for byte in range(0x21, 0x7F)] + ["▁"]
    return [Entry(f"<0x{byte:02X}>", BYTE) for byte in range(256)] + [Entry(letter) for letter in letters]


def _spm(count: int, *, space: bool) -> Mapping[str, Value]:
    return {
        "tokenizer.ggml.scores": [float(-index) for index in range(count)],
        "tokenizer.ggml.add_space_prefix": space,
    }


def _bpe(kind: str) -> Mapping[str, Value]:
    pre: dict[str, Value] = {} if kind == "none" else {"tokenizer.ggml.pre": kind}
    return {"tokenizer.ggml.merges": ["a b"], **pre}
