"""Results of every mode, made up, small, and alike enough to the real ones to be drawn."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from perf.compare.compare_samples import Costs, MixedSample
from perf.machine import Machine, Noise
from perf.meter.reading import Reading
from perf.paper.paper_samples import Turn
from perf.record.make_figures import not_measured
from perf.record.result_schema import Figure, Mode, Result, Status, Target

MODELS = ("smollm2-135m-q4_1", "qwen2.5-coder-1.5b-q4_k_m")
_GIB = 1024**3


def machine(cpu: str = "Cortex-A76", cores: int = 4) -> Machine:
    return Machine(
        cpu,
        ["asimd", "asimddp", "crc32"],
        cores,
        8 * _GIB,
        "6.6.31",
        "3.11.2",
        "0.3.36",
        "1.85.1",
        "abc123",
        "now",
    )


def result(mode: Mode, summary: Sequence[Figure], *, node: str = "pi-1", **fields: Any) -> Result:
    """A complete run on a Pi."""
    target = Target("ours", "grpc", "127.0.0.1:50051", MODELS[0], "sha256:" + "ab" * 32, "genai-xapp 0.1.0")
    plain = Result(
        mode=mode,
        node=node,
        machine=machine(),
        targets=[target],
        options={"limit": 10},
        seeds={"prompts": 7},
        started_at="2026-01-02T03:04:05Z",
        duration_s=600.0,
        status=Status.COMPLETE,
        summary=list(summary),
        samples=[],
        noise=[Noise(0.4, 0.0)],
        notes=["greedy"],
    )
    return msgspec.structs.replace(plain, **fields)


def around(
    name: str, value: float, unit: str, group: str, better: bool | None, spread: float = 0.05
) -> Figure:
    """With an interval of ± spread."""
    return Figure(name, value, unit, group, value * (1 - spread), value * (1 + spread), 50, better)


def paper(node: str = "pi-1", speed: float = 1.0, **fields: Any) -> Result:
    summary = [
        each
        for number, model in enumerate(MODELS)
        for each in _paper(model, speed / (1 + 6 * number), number)
    ]
    samples = [
        turn for number, model in enumerate(MODELS) for turn in _turns(model, speed / (1 + 6 * number))
    ]
    return result(Mode.PAPER, summary, node=node, samples=samples, **fields)


def _paper(model: str, speed: float, number: int) -> Iterator[Figure]:
    yield around("prefill_tokens_per_second", 310 * speed, "tok/s", model, True)
    yield around("decode_tokens_per_second", 62 * speed, "tok/s", model, True)
    yield around("seconds_per_token", 0.02 / speed, "s", model, False)
    yield around("ttft.p50", 0.4 / speed, "s", model, False, 0.2)
    yield around("ttft.p95", 1.4 / speed, "s", model, False, 0.3)
    yield Figure("load_seconds", 0.9 + number, "s", model, higher_is_better=False)
    yield Figure("peak_rss_bytes", (0.31 + number) * _GIB, "B", model, higher_is_better=False)
    yield Figure("peak_pss_bytes", (0.3 + number) * _GIB, "B", model, higher_is_better=False)
    yield Figure("memory_share", (0.3 + number) / 8, "", model, higher_is_better=False)
    yield Figure("cpu_share", 0.93, "", model, higher_is_better=False)
    yield Figure("decode_cv", 0.04, "", model, higher_is_better=False)
    yield Figure("num_turns", 50, "", model)
    yield not_measured("energy_per_token.gross", "J/token", "no meter on this board", group=model)


def _turns(model: str, speed: float) -> Iterator[dict[str, Any]]:
    draw = random.Random(model)
    for dialogue in range(10):
        context = 0
        for number in range(5):
            computed, generated = draw.randint(20, 260), draw.randint(10, 300)
            prompt = context + computed
            prefill_s = computed / (310 * speed * draw.uniform(0.9, 1.1)) * (1 + prompt / 4000)
            decode_s = generated / (62 * speed * draw.uniform(0.95, 1.05)) * (1 + prompt / 4000)
            reading = Reading(prefill_s + decode_s, 1.0, _GIB)
            yield msgspec.to_builtins(
                Turn(
                    model,
                    str(dialogue),
                    number,
                    prompt,
                    context,
                    generated,
                    0.0,
                    prefill_s,
                    decode_s,
                    prefill_s,
                    prefill_s + decode_s,
                    "STOP",
                    "",
                    reading,
                )
            )
            context = prompt + generated


def accuracy(node: str = "pi-1", task: str = "winogrande", shift: float = 0.0, **fields: Any) -> Result:
    summary = [
        each for number, model in enumerate(MODELS) for each in _accuracy(model, 0.52 + 0.1 * number + shift)
    ]
    return result(Mode.ACCURACY, summary, node=node, options={"task": task, "by": None}, **fields)


def _accuracy(model: str, share: float) -> Iterator[Figure]:
    yield around("accuracy", share, "", model, True)
    for number, category in enumerate(("easy", "intermediate", "hard")):
        yield around(f"accuracy.category.{category}", share - 0.05 * number, "", model, True, 0.12)
    yield Figure("chance_accuracy", 0.5, "", model)
    yield Figure("num_items", 1267, "", model)
    yield Figure("items_per_second", 4.4, "item/s", model, higher_is_better=True)


def load(node: str = "pi-1", speed: float = 1.0, **fields: Any) -> Result:
    steps = [
        *(("concurrency", each) for each in (1, 2, 4, 8)),
        *(("rate", each) for each in (0.25, 0.5, 1.0, 2.0)),
    ]
    summary = [each for kind, level in steps for each in _step(kind, level, speed)]
    highest = Figure("highest_rate", 0.8 * speed, "1/s", note="between 0.75 and 0.85")
    options = {"limit_ttft_s": 0.5, "limit_e2e_s": None, "rates": [0.25, 0.5]}
    return result(Mode.LOAD, [*summary, highest], node=node, options=options, **fields)


def _step(kind: str, level: float, speed: float) -> Iterator[Figure]:
    group, busy = f"{kind}={level:g}", (level if kind == "concurrency" else 4 * level) / speed
    for percent, factor in (("p50", 1.0), ("p95", 2.1), ("p99", 2.6)):
        yield around(f"ttft.{percent}", 0.08 * factor * (1 + busy) ** 1.2, "s", group, False, 0.15)
        yield Figure(f"itl.{percent}", 0.012 * factor * (1 + 0.3 * busy), "s", group, None, None, 900, False)
    yield Figure(
        "output_tokens_per_second",
        80 * speed * busy / (1 + 0.25 * busy),
        "tokens/s",
        group,
        higher_is_better=True,
    )
    yield Figure("goodput", min(level, 0.9 * speed), "1/s", group, higher_is_better=True)
    yield around("attainment", min(1.0, 0.9 * speed / level) * 0.9, "", group, True)
    yield Figure("errors", 0, "", group, higher_is_better=False)
    bottleneck = level >= 8
    why = "its CPU share was 0.91" if bottleneck else ""
    yield Figure("client_bottleneck", float(bottleneck), "", group, higher_is_better=False, note=why)


def compare(node: str = "pi-1", **fields: Any) -> Result:
    servers = {"ours": 1.0, "llama-server": 0.92, "llama-cpp-python": 0.7}
    summary = [each for name, speed in servers.items() for each in _server(name, speed)]
    samples = [msgspec.to_builtins(_mixed(name, speed)) for name, speed in servers.items()]
    return result(Mode.COMPARE, summary, node=node, samples=samples, **fields)


def _server(name: str, speed: float) -> Iterator[Figure]:
    for streams in (1, 4, 8):
        group = f"{name}/decode-{streams}"
        yield Figure(
            "decode_tokens_per_second", 60 * speed * streams**0.6, "tokens/s", group, higher_is_better=True
        )
        yield Figure("ttft", 0.1 * streams / speed, "s", group, higher_is_better=False)
        yield Figure("pss_bytes", 320e6 / speed, "B", group, higher_is_better=False)
        if name != "ours":
            yield around("decode_ratio", 1 / speed * (1.05 - 0.02 * streams), "", group, True, 0.04)
            yield around("ttft_ratio", speed, "", group, False, 0.1)
    yield Figure("worst_gap_seconds", 0.11 / speed**3, "s", f"{name}/mixed", higher_is_better=False)
    if name != "ours":
        yield around("worst_gap_ratio", speed**3, "", f"{name}/mixed", False, 0.2)


def _mixed(name: str, speed: float) -> MixedSample:
    pause = 0.1 / speed**3
    waits = [0.02 if abs(number - 60) > 8 else pause for number in range(120)]
    ticks = [sum(waits[:number]) - 1.05 for number in range(120)]
    return MixedSample(
        round=4,
        position=0,
        target=name,
        costs=Costs(3.0, 0.2),
        prompt_tokens=1024,
        worst_gap_s=pause,
        ttft_s=1.1 / speed,
        alone_ttft_s=0.8 / speed,
        answered_s=1.6 / speed,
        timelines=[[tick + 0.003 * stream for tick in ticks] for stream in range(4)],
        num_tokens=480,
    )


def engine(node: str = "pi-1", **fields: Any) -> Result:
    summary = [each for streams in (1, 4, 8) for each in _engine(streams)]
    bandwidth = around("memory_bandwidth", 9.8e9, "B/s", "4 threads", True, 0.02)
    return result(Mode.ENGINE, [*summary, bandwidth], node=node, **fields)


def _engine(streams: int) -> Iterator[Figure]:
    for name, ratio in (("bare", 1.0), ("worker", 0.985), ("client", 0.96)):
        group = f"{name}/{streams}"
        yield around("decode_tokens_per_second", 60 * ratio * streams**0.6, "tok/s", group, True)
        yield around("step_seconds.p50", 0.016 / ratio, "s", group, False)
        yield around("bandwidth_share", 0.81 * ratio / streams**0.4, "", group, True, 0.03)
        if name != "bare":
            yield around("overhead_ratio", ratio, "", group, True, 0.01)
    yield Figure("bytes_per_step", 98e6 + 1e6 * streams, "B", str(streams))
    yield Figure("bytes_per_token", (98e6 + 1e6 * streams) / streams, "B", str(streams))


def speculation() -> Result:
    figures = [
        *(Figure("step_price", price, "", f"{rows} rows") for rows, price in ((1, 1.0), (4, 2.2), (16, 6.0))),
        Figure("decode_tokens_per_second", 20.0, "tok/s", "rag/1/plain"),
        Figure("speedup", 1.2, "", "rag/1/ngram", minimum=0.98, maximum=1.9),
        Figure("predicted_speedup", 1.3, "", "rag/Pi 5"),
        Figure("parted_answers", 1, "", "ngram"),
        Figure("parting_margin", 0.02, "", "ngram"),
    ]
    return result(Mode.SPECULATION, figures)


def quant() -> Result:
    figures = [
        around(name, value * factor, unit, form, better)
        for form, factor in (("Q8_0 (source)", 1.0), ("Q4_0", 1.4))
        for name, value, unit, better in (
            ("peak_rss_bytes", 2e8, "B", False),
            ("prefill_tokens_per_second", 200.0, "tok/s", True),
            ("decode_tokens_per_second", 50.0, "tok/s", True),
            ("perplexity", 18.0, "", False),
            ("accuracy", 0.5, "", True),
        )
    ]
    return result(Mode.QUANT, figures)


def every_mode(node: str = "pi-1") -> list[Result]:
    return [paper(node), accuracy(node), load(node), compare(node), engine(node), speculation(), quant()]
