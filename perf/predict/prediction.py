"""Predicts decode and prefill of a shape on a board.

Decode reads all weights for each token and multiplies with them: the slower of the two decides. Few threads
read memory faster than all do, and compute slower: the best number of threads is chosen. Prefill computes
with all threads.
"""

from dataclasses import dataclass

from perf.predict.shape import Shape
from perf.predict.speeds import Rate, Speeds
from perf.predict.tables import Board


@dataclass(frozen=True, slots=True)
class Prediction:
    """Tokens a second of one request, with the threads that each phase is fastest with."""

    decode: Rate
    prefill: Rate
    decode_threads: int
    prefill_threads: int


def predict(shape: Shape, kernels: str, board: Board, speeds: Speeds, overhead: float = 1.0) -> Prediction:
    """`overhead`: the speed of the server ÷ that of llama.cpp alone, as `bench engine` measures it."""
    options = [
        (decode_with(count, shape, kernels, board, speeds), -count) for count in range(1, board.threads + 1)
    ]
    decode, fewer = max(options, key=lambda option: (option[0].value, option[1]))
    prefill = speeds.compute_of(kernels).times(1 / shape.prefill_params)
    return Prediction(decode.times(overhead), prefill, -fewer, board.threads)


def decode_with(threads: int, shape: Shape, kernels: str, board: Board, speeds: Speeds) -> Rate:
    """Tokens a second with so many threads."""
    memory = speeds.bandwidth.times(board.decode_bandwidth[threads - 1] / shape.read_bytes)
    computing = speeds.compute_of(kernels).times(board.compute[threads - 1] / shape.prefill_params)
    return min(memory, computing, key=lambda rate: rate.value)
