"""Every Prometheus metric of the service, declared here and nowhere else.

Names start `ricxapp_genai_`; units are base units (seconds, bytes). What happens is counted when it
happens (`Metrics`, by `Observation`); what is (running requests, KV cells, memory) is handed in as
`NodeValues` at each exposition.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from xapp.domain.states import DurationHistogram
from xapp.version import installed_version

disable_created_metrics()  # type: ignore[no-untyped-call]  # a `_created` gauge a series would double the page

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAMESPACE = "ricxapp_genai"

_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

GAUGES = {
    "running": "Requests with a slot.",
    "waiting": "Requests waiting for a slot.",
    "paused": "Of those waiting, requests that were preempted and keep their cells.",
    "kv_cells_used": "KV cells in use, cached prefixes included.",
    "kv_cells": "KV cells there are.",
    "kv_cache_usage_ratio": "KV cells in use as a share of those there are.",
    "predicted_wait_seconds": "How long a request that came now would wait for a slot.",
    "kv_cells_parked": "Tokens of computed prefixes parked in ordinary memory, beside the cells.",
    "model_ready": "1 while the model serves.",
    "worker_resident_memory_bytes": "Resident memory of the worker process; counts the mapped model file.",
    "worker_proportional_memory_bytes": "Proportional set size of the worker process; 0 where not told.",
    "text_resident_memory_bytes": "Resident memory of the text process.",
    "text_proportional_memory_bytes": "Proportional set size of the text process; 0 where not told.",
}
"""Gauges by model. The keys are the names in NodeValues."""

NODE_GAUGES = {
    "ready": "1 while the default model serves.",
    "certificate_not_after_seconds": "When the node's certificate ends, seconds since 1970; 0 without TLS.",
    "tasks": "Versions of tasks that are loaded.",
    "tasks_pinned": "Beginnings of tasks' prompts that workers keep computed.",
    "policies_enforced": "A1 policies that are enforced.",
    "policies_not_enforced": "A1 policies that are refused, wait for their model, or say enforce: false.",
    "policies_source_failed": "1 while nobody knows which A1 policies there are: the last good ones hold.",
    "alarms_raised": "Alarms that are raised now.",
    "ric_registered": "1 while registered with the application manager.",
    "event_loop_tasks": "Tasks of the server's event loop: they grow and shrink with the open calls.",
    "tasks_reload_failed": "1 while the folder of tasks cannot be read: the last that could be is kept.",
}
"""Gauges of the whole node."""

METERED_GAUGES = {
    "power_watts": "Power of the node.",
    "idle_power_watts": "Power of the node while it computes nothing.",
    "temperature_celsius": "The hottest thermal zone.",
    "throttled": "1 while the board lowers its clock.",
    "throttles_in_seconds": "Until the board is expected to lower its clock; 0 while it does.",
}
"""Gauges of the node's meters. A node without the meter does not have them."""

METERED_COUNTERS = {
    "energy_joules": "Energy of the node since the start of the server.",
}
"""Counters of the node's meters, as METERED_GAUGES; `_total` is added to the name."""

NODE_COUNTERS = {
    "tasks_reloads": "Times the tasks were loaded, the first one included.",
    "tasks_reload_failures": "Times another reading of the folder of tasks failed.",
    "log_lines_dropped": "Lines of the log that were dropped, since nobody read it.",
}
"""Counters of the whole node; `_total` is added to the name."""

COUNTERS = {
    "engine_steps": "Steps of the engine.",
    "engine_step_seconds": "Time spent in steps of the engine.",
    "prefill_tokens": "Prompt tokens computed, cached ones left out.",
    "decode_tokens": "Tokens generated.",
    "preemptions": "Times a running request made way for one of a higher class.",
    "evictions": "Times such a request lost its cells as well.",
    "interrupted_steps": "Steps that ended before they were computed, for something more urgent.",
    "drafted_tokens": "Guessed tokens that the model checked, of ended requests.",
    "accepted_tokens": "Of the guessed tokens, those that were right.",
    "draft_steps": "Steps with guessed tokens, those of each ended request counted.",
    "model_energy_joules": "Energy of the node while it computed this model. Only where there is a meter.",
    "length_prediction_cpu_seconds": "CPU time of predictions of lengths from prompts.",
    "worker_cpu_seconds": "CPU time of the worker process.",
    "text_cpu_seconds": "CPU time of the text process; starts again at 0 with it.",
    "text_restarts": "Times the text process was started again after a text ended it.",
    "worker_restarts": "Times the worker was started again after it died.",
}
"""Counters by model; `_total` is added to the name. All but the last three start again at 0 with their
worker.
"""

HISTOGRAMS = {
    "time_to_first_token_seconds": "From acceptance to the first token.",
    "inter_token_latency_seconds": "Gaps between tokens, pooled over requests.",
}
"""Histograms by model. They start again at 0 when the model is loaded again."""


@dataclass(frozen=True, slots=True)
class NodeValues:
    """The present state of the node.

    `models` has for each model its values by names of GAUGES and COUNTERS, `histograms` by names of
    HISTOGRAMS. `node` has values by names of NODE_GAUGES and NODE_COUNTERS, and of METERED_GAUGES and
    METERED_COUNTERS as far as the node has the meters.
    """

    ready: bool
    models: dict[str, dict[str, float]]
    node: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, dict[str, DurationHistogram]] = field(default_factory=dict)


class Metrics:
    """The event metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter(
            "requests", "Finished Generate requests by model and gRPC status.", "model", "code"
        )
        self.outcomes = self._counter(
            "outcomes", "Ended requests: stop, length, cancelled, or an error's reason.", "model", "outcome"
        )
        self.routed = self._counter(
            "routed",
            "Answers of a node with an upstream, or of requests with routing: who answered, and why.",
            "answered_by",
            "reason",
        )
        self.tokens = self._counter(
            "tokens",
            "Tokens of requests; kind is prompt, cached (part of prompt), completion.",
            "model",
            "kind",
        )
        self.joined = self._counter("joined", "Requests that joined an identical one.", "model")
        self.verification_sessions = self._counter(
            "verification_sessions", "Sessions opened to verify another node's drafts.", "model"
        )
        self.verified = self._counter(
            "verified_tokens",
            "Drafts of other nodes; kind is drafted, accepted (part of drafted).",
            "model",
            "kind",
        )
        self.speech_heard = self._counter("speech_heard_seconds", "Audio that was sent to be recognised.")
        self.speech_spoken = self._counter(
            "speech_spoken_seconds", "Audio that was spoken, by engine.", "engine"
        )
        self.translated = self._counter(
            "translated_characters", "Characters that were translated, by engine.", "engine"
        )
        self.speech_turns = self._counter(
            "speech_turns",
            "Turns of spoken conversations; end is complete, barge-in, interrupted, failed.",
            "end",
        )
        self.speech_first_audio = Histogram(
            "speech_first_audio_seconds",
            "From the end of speech to the first audio of the answer.",
            namespace=NAMESPACE,
            registry=self.registry,
            buckets=_DURATION_BUCKETS,
        )
        self.rpc_errors = self._counter("rpc_errors", "RPCs that ended with an error.", "method", "code")
        self.request_duration = self._histogram(
            "request_duration_seconds", "From the call to the end of the answer.", _DURATION_BUCKETS
        )
        info = Gauge("build_info", "Always 1.", ["version"], namespace=NAMESPACE, registry=self.registry)
        info.labels(installed_version()).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, ["model"], namespace=NAMESPACE, registry=self.registry, buckets=buckets)

    def exposition(self, values: NodeValues) -> bytes:
        """All metrics in the text format."""
        state = CollectorRegistry()
        state.register(_ValuesCollector(values))
        return generate_latest(self.registry) + generate_latest(state)


class _ValuesCollector(Collector):
    """Shows one NodeValues."""

    def __init__(self, values: NodeValues) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        """One family for each metric, one value a model."""
        node = {"ready": float(self._values.ready), **self._values.node}
        for name, text in NODE_GAUGES.items():
            yield GaugeMetricFamily(f"{NAMESPACE}_{name}", text, node.get(name, 0.0))
        for name, text in NODE_COUNTERS.items():
            yield CounterMetricFamily(f"{NAMESPACE}_{name}", text, node.get(name, 0.0))
        for name, text in METERED_GAUGES.items():
            if name in node:
                yield GaugeMetricFamily(f"{NAMESPACE}_{name}", text, node[name])
        for name, text in METERED_COUNTERS.items():
            if name in node:
                yield CounterMetricFamily(f"{NAMESPACE}_{name}", text, node[name])
        for name, text in GAUGES.items():
            yield self._fill(name, GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=["model"]))
        for name, text in COUNTERS.items():
            yield self._fill(name, CounterMetricFamily(f"{NAMESPACE}_{name}", text, labels=["model"]))
        for name, text in HISTOGRAMS.items():
            yield self._fill_histogram(name, text)

    def _fill(self, name: str, family: GaugeMetricFamily | CounterMetricFamily) -> Metric:
        for model, values in self._values.models.items():
            if name in values:
                family.add_metric([model], values[name])
        return family

    def _fill_histogram(self, name: str, text: str) -> Metric:
        family = HistogramMetricFamily(f"{NAMESPACE}_{name}", text, labels=["model"])
        for model, histograms in self._values.histograms.items():
            histogram = histograms[name]
            family.add_metric([model], _buckets(histogram), histogram.sum_s)
        return family


def _buckets(histogram: DurationHistogram) -> list[tuple[str, float]]:
    """Cumulative counts, as in Prometheus: each bucket has all values up to its bound."""
    bounds = (*map(floatToGoString, histogram.bounds_s), "+Inf")
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
