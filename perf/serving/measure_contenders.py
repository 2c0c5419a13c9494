"""One round of each measurement: asks the contenders in rotating order, returns samples."""

from collections.abc import Callable
from functools import partial

import msgspec

from perf.bar_table import Sample
from perf.callers.callers import Callers
from perf.callers.load_commands import Decode
from perf.callers.prompt_texts import Work, decode_work
from perf.compare.compare_loads import SharedPrefixLoad
from perf.json_child import Child
from perf.process_memory import cpu_seconds
from perf.serving import bare_decode_loop, worker_driver
from perf.serving.serving_lineup import Lineup
from perf.stream_figures import Stream, inter_token_latencies, percentile, steady_rate
from xapp.rotation import rotated

Measure = Callable[[int], list[Sample]]
Figures = dict[str, float]
WARM_UP_STREAMS = 4
WARM_UP_TOKENS = 24
WARM_UP_SEED = 999
"""No round's."""


def warm_up(lineup: Lineup) -> None:
    """Each contender decodes a little: pages are touched, caches filled, connections made."""
    work = Work(num_streams=WARM_UP_STREAMS, num_tokens=WARM_UP_TOKENS, seed=WARM_UP_SEED)
    for measure in _contenders(lineup).values():
        measure(work)


def decode(lineup: Lineup, num_streams: int) -> Measure:
    """Decode rates of all contenders with so many streams."""
    contenders = _contenders(lineup)

    def measure(number: int) -> list[Sample]:
        work = decode_work(num_streams, _seed(number, num_streams))
        samples = []
        for name in rotated(list(contenders), number):
            figures = contenders[name](work)
            samples += [
                Sample(number, f"{name}.{what}.{num_streams}", each) for what, each in figures.items()
            ]
        return samples

    return measure


def _contenders(lineup: Lineup) -> dict[str, Callable[[Work], Figures]]:
    contenders: dict[str, Callable[[Work], Figures]] = {
        "baseline": partial(_baseline, lineup.baseline),
        "worker": partial(_worker, lineup.worker),
        "grpc": partial(_client, lineup, lineup.client, lineup.server.pid),
    }
    if lineup.llama and lineup.llama_client:
        contenders["llama"] = partial(_client, lineup, lineup.llama_client, lineup.llama.pid)
    return contenders


def _seed(number: int, num_streams: int) -> int:
    return 1 + number * 16 + num_streams


def _baseline(child: Child, work: Work) -> Figures:
    return {"decode": msgspec.json.decode(child.ask(work), type=bare_decode_loop.Decoded).tokens_per_second}


def _worker(child: Child, work: Work) -> Figures:
    streams = msgspec.json.decode(child.ask(worker_driver.Decode(work)), type=list[Stream])
    return _rate(streams)


def _rate(streams: list[Stream]) -> Figures:
    try:
        return {"decode": steady_rate(streams)}
    except ValueError:
        return {}  # a round so noisy that the streams did not overlap says nothing


def _client(lineup: Lineup, callers: Callers, server_pid: int, work: Work) -> Figures:
    command = Decode(lineup.texts.make(lambda texts: texts.of(work)), work.num_tokens)
    before = cpu_seconds(server_pid)
    seen = callers.play(command)
    tokens = sum(stream.num_tokens for stream in seen.streams)
    gaps = inter_token_latencies(seen.streams)
    return {
        **_rate(seen.streams),
        "server_cpu": (cpu_seconds(server_pid) - before) / tokens,
        "client_cpu": seen.client_cpu_s / tokens,
        "ttft": max(stream.time_to_first_token for stream in seen.streams),
        "itl_p50": percentile(gaps, 50),
        "itl_p99": percentile(gaps, 99),
    }


def _clients(lineup: Lineup, number: int) -> list[tuple[str, Callers]]:
    clients = [("grpc", lineup.client)]
    if lineup.llama_client:
        clients.append(("llama", lineup.llama_client))
    return rotated(clients, number)


def prefix(lineup: Lineup) -> Measure:
    """Callers at once share a system prompt."""

    def measure(number: int) -> list[Sample]:
        samples = []
        for name, client in _clients(lineup, number):
            write = partial(SharedPrefixLoad().command, seed=_seed(number, 10), queues=False)
            seen = client.play(lineup.texts.make(write))
            cold = seen.single[0].time_to_first_token
            worst = max(stream.time_to_first_token for stream in seen.streams)
            samples.append(Sample(number, f"{name}.shared_cold", cold))
            samples.append(Sample(number, f"{name}.shared_worst", worst))
            samples.append(Sample(number, f"{name}.shared_ratio", worst / cold))
        return samples

    return measure


def cancel(lineup: Lineup) -> Measure:
    """A running stream is cancelled while another waits for a slot."""

    def measure(number: int) -> list[Sample]:
        answer = lineup.worker.ask(worker_driver.CancelTrial(seed=_seed(number, 11)))
        found = msgspec.json.decode(answer, type=worker_driver.CancelResult)
        return [
            Sample(number, "worker.cancel_steps", found.steps_after),
            Sample(number, "worker.reuse_steps", found.steps_until_reused),
        ]

    return measure
