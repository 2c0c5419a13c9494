"""What a run of `bench load` was told: in the result file, and in the journal's fingerprint."""

import msgspec

from perf.load.latency_limits import Limits


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds. `prompt`, `output` and `mix` are as written on the command line.

    `burstiness` is the gamma distribution's shape, 1 for Poisson. `trace` names the file, `trace_digest`
    is the sha256 of what it held. A closed step ends by `num_requests` or `duration_s`, what is first;
    so does an open step's schedule.
    """

    seed: int
    concurrency: list[int] = []
    rates: list[float] = []
    replay: bool = False
    find_rate: bool = False
    precision: float = 0.1
    burstiness: float = 1.0
    duration_s: float | None = None
    num_requests: int | None = None
    prompt: str = "128"
    output: str = "64"
    shared_prefix: int = 0
    ignore_eos: bool = True
    mix: str = ""
    priority: str = ""
    deadline_s: float | None = None
    trace: str = ""
    trace_digest: str = ""
    limit_ttft_s: float | None = None
    limit_tpot_s: float | None = None
    limit_e2e_s: float | None = None
    attainment: float = 0.95
    timeout_s: float = 300.0
    max_in_flight: int = 256
    warmup: int = 2

    @property
    def limits(self) -> Limits:
        """What an answer must keep."""
        return Limits(self.limit_ttft_s, self.limit_tpot_s, self.limit_e2e_s, self.attainment)
