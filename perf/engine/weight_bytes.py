"""How many bytes of weights a decode step reads, from the sizes of the file's tensors.

The rule: every tensor is read once a step, whatever the number of streams, but for three kinds. An
embedding table is read a row a stream, unless it is the output matrix as well (no `output.weight`:
tied), which is read whole. Of a layer's experts a step of one stream reads those that are used; with
more streams more of them, which is not counted. Tables of a rotary embedding count as they are.
"""

from pathlib import Path

from perf.engine.engine_samples import BytesSample
from xapp.models.gguf import read_gguf_header, read_tensor_bytes

_TABLE = "token_embd.weight"
_OUTPUT = "output.weight"
_EXPERTS = "_exps."


def bytes_of(path: Path, kv_cell_bytes: float) -> BytesSample:
    """Of a model file. Raises ModelError."""
    values = read_gguf_header(path).values
    architecture = values.get("general.architecture")
    return step_bytes(
        read_tensor_bytes(path),
        rows=_number(values.get(f"{architecture}.vocab_size")) or _tokens(path),
        expert_share=_share(
            _number(values.get(f"{architecture}.expert_used_count")),
            _number(values.get(f"{architecture}.expert_count")),
        ),
        kv_cell_bytes=kv_cell_bytes,
    )


def step_bytes(
    tensors: dict[str, int], *, rows: int, expert_share: float, kv_cell_bytes: float
) -> BytesSample:
    """`rows` of the embedding table, share of the experts that one token uses."""
    tied = _OUTPUT not in tensors
    table = tensors.get(_TABLE, 0)
    experts = sum(size for name, size in tensors.items() if _EXPERTS in name)
    whole = sum(tensors.values()) - experts - (0 if tied else table)
    return BytesSample(
        weight_bytes=round(whole + experts * expert_share),
        row_bytes=0 if tied else table // max(rows, 1),
        kv_cell_bytes=round(kv_cell_bytes),
        tied_output=tied,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _share(used: int, there: int) -> float:
    return used / there if used and there else 1.0


def _tokens(path: Path) -> int:
    """Where the metadata has no count, the vocabulary has."""
    from xapp.backend.vocab import Vocab  # noqa: PLC0415  loads llama.cpp, seldom needed

    vocab = Vocab(path)
    try:
        return vocab.size
    finally:
        vocab.close()
