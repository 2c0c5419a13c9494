"""Values as people read them, and what figures are called on a page."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from perf.record.result_schema import Figure

NONE = "–"
Shown: TypeAlias = Callable[[Figure | None], str]
_SHARES = ("_share", "_cv", "accuracy", "attainment", "accuracy_per_byte")
_CATEGORY = "accuracy.category."
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_RATES = {"tok/s": "tokens/s", "1/s": "requests/s", "item/s": "items/s"}

TITLES = {
    "prefill_tokens_per_second": "prefill, tokens/s",
    "decode_tokens_per_second": "decode, tokens/s",
    "output_tokens_per_second": "output, tokens/s",
    "requests_per_second": "requests/s",
    "offered_rate": "offered, requests/s",
    "goodput": "goodput, requests/s",
    "attainment": "within limits",
    "seconds_per_token": "total time per token",
    "load_seconds": "load time",
    "peak_rss_bytes": "peak RSS",
    "peak_pss_bytes": "peak PSS",
    "memory_share": "share of RAM (PSS)",
    "cpu_share": "CPU, share of all cores",
    "temperature.max": "highest temperature",
    "throttled": "throttled",
    "energy_per_token.gross": "energy per token, gross",
    "energy_per_token.net": "energy per token, net",
    "decode_cv": "decode CV",
    "prefill_cv": "prefill CV",
    "cached_tokens_share": "prompt tokens from cache",
    "num_turns": "turns",
    "num_skipped_turns": "turns skipped",
    "num_items": "items",
    "num_skipped_items": "items skipped",
    "accuracy": "accuracy",
    "accuracy_per_byte": "accuracy, per byte",
    "chance_accuracy": "guessing",
    "items_per_second": "items/s",
    "client_cpu_share": "client's CPU",
    "errors": "failed",
    "worst_gap_seconds": "longest gap",
    "end_to_end": "end to end",
    "alone_ttft": "TTFT alone",
    "ttft_to_alone": "TTFT ÷ alone",
    "decode_step_seconds": "decode step",
    "gap_bound_ratio": "longest gap ÷ its bound",
    "front_cpu_per_token": "serving process's CPU per token",
    "front_cpu_over_echo": "that, less the echo's",
    "itl_p50_ratio": "ITL p50",
    "cold_ttft": "TTFT cold",
    "pss_bytes": "PSS",
    "server_cpu_per_token": "server CPU per token",
    "client_cpu_per_token": "client CPU per token",
    "wire_bytes_per_token": "bytes on the wire per token",
    "decode_ratio": "decode rate",
    "output_ratio": "output rate",
    "ttft_ratio": "TTFT",
    "end_to_end_ratio": "end to end",
    "worst_gap_ratio": "longest gap",
    "server_cpu_ratio": "server CPU",
    "pss_ratio": "memory, PSS",
    "wire_bytes_ratio": "bytes on the wire",
    "memory_bandwidth": "memory bandwidth",
    "bytes_per_step": "bytes read a step",
    "bytes_per_token": "bytes read a token",
    "overhead_ratio": "rate ÷ bare loop's",
    "overhead_seconds": "added to a step",
    "step_seconds.p50": "step p50",
    "step_seconds.p95": "step p95",
    "bandwidth_share": "share of memory bandwidth",
    "step_price": "step ÷ step of one row",
    "predicted_speedup": "predicted speedup",
    "parting_margin": "largest difference of logits",
}
_ABBREVIATED = {"ttft", "itl", "tpot", "e2e"}


def title(name: str) -> str:
    """What a figure is called; `ttft.p95` is TTFT p95, a category's accuracy is accuracy."""
    if name in TITLES:
        return TITLES[name]
    if name.startswith(_CATEGORY):
        return TITLES["accuracy"]
    first, *rest = name.split(".")
    return " ".join([first.upper() if first in _ABBREVIATED else first.replace("_", " "), *rest])


def number(value: float) -> str:
    """Three digits that matter."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def is_share(figure: Figure) -> bool:
    """Whether a figure without a unit is shown in percent."""
    return not figure.unit and (figure.name.startswith(_CATEGORY) or figure.name.endswith(_SHARES))


def scale(figures: Sequence[Figure]) -> tuple[float, str]:
    """Factor and unit under which the largest of alike figures is easy to read."""
    largest = max((abs(each.value or 0.0) for each in figures), default=0.0)
    unit = figures[0].unit if figures else ""
    if unit in {"B", "bytes", "B/s", "bytes/s"}:
        power = max((each for each in range(len(_BYTES)) if largest >= 1024**each), default=0)
        return 1 / 1024**power, _BYTES[power] + ("/s" if unit.endswith("/s") else "")
    if unit in {"s", "s/token"}:
        # A millisecond and more is told in ms, below in µs.
        factor, prefix = (1.0, "") if largest >= 1 else (1e3, "m") if largest >= 1e-3 else (1e6, "µ")
        return factor, prefix + unit
    if unit == "of one core":
        return 100.0, "% of a core"
    if figures and is_share(figures[0]):
        return 100.0, "%"
    return 1.0, _RATES.get(unit, unit)


def value(figure: Figure | None) -> str:
    """With its unit, unless the figure's title has that; a dash for what was not measured."""
    if figure is None or figure.value is None:
        return NONE
    factor, unit = scale([figure])
    shown = "" if "/s" in title(figure.name) else unit
    return f"{number(figure.value * factor)} {shown}".rstrip()


def with_interval(figure: Figure | None) -> str:
    """Value, unit and interval: `61.2 % (58.5 – 63.8)`."""
    if figure is None or figure.low is None or figure.high is None:
        return value(figure)
    factor, _ = scale([figure])
    return f"{value(figure)} ({number(figure.low * factor)} – {number(figure.high * factor)})"


def seconds(value: float) -> str:
    """A short time: `140 ms`, `6.1 s`."""
    return f"{number(value)} s" if value >= 1 else f"{number(1000 * value)} ms"


def duration(seconds: float) -> str:
    """`42 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
