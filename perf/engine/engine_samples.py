"""What `bench engine` leaves in a result file, and the names of its figures.

Contenders: `bare` (llama_decode in a loop, nothing else), `worker` (our engine's process, no server
around it), `client` (our server, at its gRPC client).

    decode_tokens_per_second    group CONTENDER/STREAMS, all streams together
    step_seconds.p50, .p95      group CONTENDER/STREAMS; at `client` the time between a stream's tokens
    overhead_ratio              group CONTENDER/STREAMS: its rate ÷ bare's of the same round; 1 costs nothing
    overhead_seconds            group CONTENDER/STREAMS: its median step less bare's, a step
    memory_bandwidth            group `N threads`, bytes a second read from memory
    bytes_per_step              group STREAMS: weights and KV cells that one decode step reads
    bytes_per_token             group STREAMS: that ÷ streams
    bandwidth_share             group CONTENDER/STREAMS: bytes_per_step × steps a second ÷ memory_bandwidth
"""

import msgspec


class StepsSample(msgspec.Struct, frozen=True, tag_field="kind", tag="engine-steps"):
    """One contender in one round. `kv_cells` is the mean number of cells a step reads, all streams."""

    round: int
    contender: str
    num_streams: int
    tokens_per_second: float
    step_p50_s: float
    step_p95_s: float
    step_max_s: float
    num_steps: int
    kv_cells: float


class BandwidthSample(msgspec.Struct, frozen=True, tag_field="kind", tag="engine-bandwidth"):
    """One reading of a buffer larger than the last-level cache, by `loop`, on `threads` threads."""

    round: int
    loop: str
    threads: int
    buffer_bytes: int
    cache_bytes: int
    bytes_per_second: float


class BytesSample(msgspec.Struct, frozen=True, tag_field="kind", tag="engine-bytes"):
    """What a decode step reads: `weight_bytes` once a step, `row_bytes` a stream, and each KV cell.

    `row_bytes` is the row of an embedding table that is not the output matrix too.
    """

    weight_bytes: int
    row_bytes: int
    kv_cell_bytes: int
    tied_output: bool


Sample = StepsSample | BandwidthSample | BytesSample
