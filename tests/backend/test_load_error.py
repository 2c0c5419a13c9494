"""Reasons are for people: no C function names, and what it means first."""

import pytest

from xapp.backend.load_error import load_reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("gguf_init_from_reader: failed to read magic", "not a GGUF file (failed to read magic)"),
        ("gguf_init_from_reader: failed to read key-value pairs", "truncated or corrupt ("),
        ("read: string length 99 exceeds maximum 9", "corrupt (string length 99 exceeds maximum 9)"),
        (
            "llama_model_load: error loading model: unknown model architecture: 'x'",
            "unknown model architecture",
        ),
        ("llama_init_from_model: quantized V cache requires flash_attn", "quantized V cache requires"),
        ("nothing known", "nothing known"),
        ("", ""),
    ],
)
def test_the_reason_starts_with_what_it_means(line: str, reason: str) -> None:
    assert load_reason([line, "failed to load model"]).startswith(reason)


def test_silence_is_a_reason_too() -> None:
    assert load_reason([]) == "llama.cpp cannot load it"
