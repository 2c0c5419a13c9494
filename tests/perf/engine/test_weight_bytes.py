from pathlib import Path

from perf.engine.engine_samples import BytesSample
from perf.engine.weight_bytes import bytes_of, step_bytes
from tests.models.gguf_file import F32, LLAMA, Q4_1, gguf_bytes

BLOCK = {"blk.0.attn_q.weight": 600, "blk.0.ffn_up.weight": 400}


def test_a_table_that_is_the_output_matrix_too_is_read_whole() -> None:
    tensors = {**BLOCK, "token_embd.weight": 500}
    found = step_bytes(tensors, rows=50, expert_share=1.0, kv_cell_bytes=8)
    assert found == BytesSample(weight_bytes=1500, row_bytes=0, kv_cell_bytes=8, tied_output=True)


def test_of_another_table_a_row_is_read() -> None:
    tensors = {**BLOCK, "token_embd.weight": 500, "output.weight": 700}
    found = step_bytes(tensors, rows=50, expert_share=1.0, kv_cell_bytes=8)
    assert found == BytesSample(weight_bytes=1700, row_bytes=10, kv_cell_bytes=8, tied_output=False)


def test_of_the_experts_those_are_read_that_are_used() -> None:
    tensors = {**BLOCK, "blk.0.ffn_up_exps.weight": 800}
    assert step_bytes(tensors, rows=1, expert_share=0.25, kv_cell_bytes=8).weight_bytes == 1200


def test_of_a_file(tmp_path: Path) -> None:
    values = {**LLAMA, "llama.vocab_size": 4, "llama.expert_count": 8, "llama.expert_used_count": 2}
    tensors = (
        ("token_embd.weight", (32, 4), Q4_1),
        ("output.weight", (64, 4), F32),
        ("blk.0.ffn_up_exps.weight", (64, 4), F32),
    )
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(values, tensors))
    found = bytes_of(path, 7.6)
    assert found == BytesSample(weight_bytes=1024 + 256, row_bytes=20, kv_cell_bytes=8, tied_output=False)
