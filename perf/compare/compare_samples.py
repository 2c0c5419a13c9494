"""What `bench compare` leaves in a result file: one sample a round, target and load.

The figures of its summary. Their `group` is `TARGET/LOAD`: a target's name (`ours`, `llama-server`,
`llama-cpp-python`, `echo`, or the host and port of a URL) and `decode-1`, `decode-4` … , `solo-200` …
(by tokens of the prompt), `burst-4` … , `staggered`, `mixed` or `shared-prefix`. Values without interval
are medians over rounds.

    decode_tokens_per_second    decode-N        all streams together, while all of them run
                                solo-N          of the one stream
    output_tokens_per_second    decode-N, burst-N, staggered: from the first sending to the last token
    itl_p50                     decode-N, solo-N, seconds: the middle gap of a stream, middle of streams
    ttft                        all, seconds    decode-N, burst-N, staggered: mean of the requests (the
                                                prompts of decode-N are computed); mixed: the newcomer's;
                                                shared-prefix: the worst of the callers at once
    alone_ttft                  mixed           the newcomer's prompt with nothing else running, seconds
    ttft_to_alone               mixed           ttft ÷ alone_ttft
    cold_ttft                   shared-prefix   of the first caller, seconds
    end_to_end                  decode-N        sending to the last token of the last stream, seconds
    worst_gap_seconds           all but solo-N and shared-prefix: the longest pause in a running stream
    decode_step_seconds         mixed           middle gap of the running streams before the newcomer comes
    gap_bound_ratio             mixed           worst_gap_seconds ÷ max(0.150, 3 × decode_step_seconds)
    server_cpu_per_token, client_cpu_per_token  decode-N, seconds
    front_cpu_per_token         decode-N, seconds: of the process that serves, without its workers
    front_cpu_over_echo         decode-N, seconds: ours less that of `echo`, of paired rounds
    client_cpu_share            all, of one core
    pss_bytes                   of the server's processes less the model file's pages, which those alive
                                at the same time share; at the end of the load
    wire_bytes_per_token        decode-N, shaped network: both directions, frames as the interface counts them

Ratios, with a 95 % interval over paired rounds, are ours ÷ the peer that `group` names: `decode_ratio`,
`output_ratio` (above 1: ours is faster), `itl_p50_ratio`, `ttft_ratio`, `alone_ttft_ratio`,
`cold_ttft_ratio`, `end_to_end_ratio`, `worst_gap_ratio`, `server_cpu_ratio`, `pss_ratio`,
`wire_bytes_ratio` (below 1: ours is faster or needs less). `decode_ratio` has no value, and a note that
says why, where the streams of one side never all ran at the same time.
"""

import msgspec

ECHO = "echo"
"""The target that computes nothing: what gRPC itself costs at our pace."""


class Costs(msgspec.Struct, frozen=True):
    """What one load cost. CPU in seconds, `wall_s` from first sending to the last token.

    `server_cpu_s`, `front_cpu_s` (of the serving process alone) and `pss_bytes` (by process: `server`,
    `worker` …) are None for a server that this machine cannot look into. `wire_bytes_*` are the client's
    view, None unless the network is shaped.
    """

    wall_s: float
    client_cpu_s: float
    server_cpu_s: float | None = None
    pss_bytes: dict[str, int] | None = None
    wire_bytes_sent: int | None = None
    wire_bytes_received: int | None = None
    front_cpu_s: float | None = None


class Taken(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every sample tells: `position` is the target's place in its round's order, from 0."""

    round: int
    position: int
    target: str
    costs: Costs


class DecodeSample(Taken, frozen=True, kw_only=True, tag="compare-decode"):
    """Streams started at once, a fixed number of tokens each.

    `decode_tokens_per_second` is of the time in which all streams run, None where there was hardly any
    (`overlapping` is False then). `ended_early` counts streams that ended before their tokens were there,
    `num_arrivals` the pieces in which the tokens came.
    """

    num_streams: int
    decode_tokens_per_second: float | None
    output_tokens_per_second: float
    overlapping: bool
    ttft_s: list[float]
    itl_p50_s: float
    itl_p99_s: float
    worst_gap_s: float
    num_tokens: int
    ended_early: int = 0
    num_arrivals: int = 0


class SoloSample(Taken, frozen=True, kw_only=True, tag="compare-solo"):
    """One caller, nothing else."""

    prompt_tokens: int
    ttft_s: float
    itl_p50_s: float
    decode_tokens_per_second: float
    num_tokens: int


class ArrivalsSample(Taken, frozen=True, kw_only=True, tag="compare-arrivals"):
    """Requests every `interval_s`, each to its end; 0 is a burst, all at once."""

    num_requests: int
    interval_s: float
    ttft_s: list[float]
    worst_gap_s: float
    output_tokens_per_second: float
    num_tokens: int


class MixedSample(Taken, frozen=True, kw_only=True, tag="compare-mixed"):
    """A long prompt arrives among running streams.

    `timelines` has a list a stream: its arrivals in seconds from the sending of the long prompt, from
    a second before to a second after it is answered. `answered_s` is the newcomer's last token.
    `decode_step_s` is the streams' middle gap before it was sent, None where they did not all run.
    """

    prompt_tokens: int
    worst_gap_s: float
    ttft_s: float
    alone_ttft_s: float
    answered_s: float
    timelines: list[list[float]]
    num_tokens: int
    decode_step_s: float | None = None


class SharedPrefixSample(Taken, frozen=True, kw_only=True, tag="compare-shared-prefix"):
    """Callers at once who share a system prompt that one caller made known: their TTFTs, and the first's."""

    prefix_tokens: int
    cold_ttft_s: float
    ttft_s: list[float]
    num_tokens: int


Sample = DecodeSample | SoloSample | ArrivalsSample | MixedSample | SharedPrefixSample
