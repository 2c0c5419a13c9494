"""Writes small GGUF files, whole or not."""

import struct
from collections.abc import Mapping, Sequence

Value = str | int | float | bool | list[int] | list[str] | list[float]
F32, Q4_1 = 0, 3
LLAMA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.license": "apache-2.0",
    "llama.context_length": 2048,
    "llama.block_count": 4,
    "llama.embedding_length": 256,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "c"],
    "tokenizer.chat_template": "{{ messages }}",
}


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value_bytes(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(str(item)) for item in value)
    if value and isinstance(value[0], float):
        return struct.pack("<IIQ", 9, 6, len(value)) + b"".join(struct.pack("<f", item) for item in value)
    return struct.pack("<IIQ", 9, 5, len(value)) + b"".join(struct.pack("<i", item) for item in value)


def gguf_bytes(
    values: Mapping[str, Value] | None = None,
    tensors: Sequence[tuple[str, tuple[int, ...], int]] = (("w", (64, 4), F32),),
    data: int = 64 * 4 * 4,
    version: int = 3,
) -> bytes:
    """A file whose tensors all start at the beginning of `data` bytes."""
    values = LLAMA if values is None else values
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    out += b"".join(text(key) + value_bytes(value) for key, value in values.items())
    for name, dims, kind in tensors:
        out += text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims) + struct.pack("<IQ", kind, 0)
    return out + bytes(-len(out) % 32) + bytes(index % 251 for index in range(data))
