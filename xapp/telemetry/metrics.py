"""Every Prometheus metric of the service, declared here and nowhere else.

Names start `ricxapp_genai_`; units are base units (seconds, bytes). What happens is counted when it
happens (`Metrics`); what is (running requests, KV cells, memory) is handed in as a `NodeReading` at
each exposition.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from xapp.version import installed_version

disable_created_metrics()  # type: ignore[no-untyped-call]  # a `_created` gauge a series would double the page

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAMESPACE = "ricxapp_genai"

_TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_ITL_BUCKETS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

GAUGES = {
    "running": "Requests with a slot.",
    "waiting": "Requests waiting for a slot.",
    "paused": "Of those waiting, requests that were preempted and keep their cells.",
    "kv_cells_used": "KV cells in use, cached prefixes included.",
    "kv_cells": "KV cells there are.",
    "kv_cells_parked": "Tokens of computed prefixes parked in ordinary memory, beside the cells.",
    "model_ready": "1 while the model serves.",
    "worker_resident_memory_bytes": "Resident memory of the worker process; counts the mapped model file.",
    "worker_proportional_memory_bytes": "Proportional set size of the worker process; 0 where not told.",
    "text_resident_memory_bytes": "Resident memory of the text process.",
    "text_proportional_memory_bytes": "Proportional set size of the text process; 0 where not told.",
}
"""By model; the keys are the names that a NodeReading uses."""

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
    "tasks_reload_failed": "1 while the folder of tasks cannot be read: the last that could be is kept.",
}
"""Of the whole node."""

NODE_COUNTERS = {
    "tasks_reloads": "Times the tasks were loaded, the first one included.",
    "tasks_reload_failures": "Times another reading of the folder of tasks failed.",
    "log_lines_dropped": "Lines of the log that were dropped, since nobody read it.",
}
"""Of the whole node, `_total` is added to the name."""

COUNTERS = {
    "engine_steps": "Steps of the engine.",
    "engine_step_seconds": "Time spent in steps of the engine.",
    "prefill_tokens": "Prompt tokens computed, cached ones left out.",
    "decode_tokens": "Tokens generated.",
    "preemptions": "Times a running request made way for one of a higher class.",
    "evictions": "Times such a request lost its cells as well.",
    "interrupted_steps": "Steps that ended before they were computed, for something more urgent.",
    "worker_cpu_seconds": "CPU time of the worker process.",
    "text_cpu_seconds": "CPU time of the text process; starts again at 0 with it.",
    "text_restarts": "Times the text process was started again after a text ended it.",
    "worker_restarts": "Times the worker was started again after it died.",
}
"""By model, `_total` is added to the name; all but the last three start again at 0 with their worker."""


@dataclass(frozen=True, slots=True)
class NodeReading:
    """The node's state now: `models` maps a model's name to values by GAUGES and COUNTERS name;
    `node` has values by NODE_GAUGES and NODE_COUNTERS name.
    """

    ready: bool
    models: dict[str, dict[str, float]]
    node: dict[str, float] = field(default_factory=dict)


class Metrics:
    """The event metrics of one server, in a registry of their own; the service's Observer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter(
            "requests", "Finished Generate requests by model and gRPC status.", "model", "code"
        )
        self.outcomes = self._counter(
            "outcomes", "Ended requests: stop, length, cancelled, or an error's reason.", "model", "outcome"
        )
        self.tokens = self._counter(
            "tokens",
            "Tokens of requests; kind is prompt, cached (part of prompt), completion.",
            "model",
            "kind",
        )
        self.joined = self._counter("joined", "Requests that joined an identical one.", "model")
        self.rpc_errors = self._counter("rpc_errors", "RPCs that ended with an error.", "method", "code")
        self.time_to_first_token = self._histogram(
            "time_to_first_token_seconds", "From acceptance to the first token.", _TTFT_BUCKETS
        )
        self.inter_token_latency = self._histogram(
            "inter_token_latency_seconds", "Gaps between tokens, pooled over requests.", _ITL_BUCKETS
        )
        self.request_duration = self._histogram(
            "request_duration_seconds", "From the call to the end of the answer.", _DURATION_BUCKETS
        )
        info = Gauge("build_info", "Always 1.", ["version"], namespace=NAMESPACE, registry=self.registry)
        info.labels(installed_version()).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, ["model"], namespace=NAMESPACE, registry=self.registry, buckets=buckets)

    # ---- the service's Observer: called on the event loop, once a step at most

    def on_first_token(self, model: str, time_to_first_token_s: float) -> None:
        """A request's first token arrived."""
        self.time_to_first_token.labels(model).observe(time_to_first_token_s)

    def on_tokens(self, model: str, gaps_s: Sequence[float]) -> None:
        """A step brought tokens, each this long after the one before in its request."""
        observe = self.inter_token_latency.labels(model).observe
        for gap_s in gaps_s:
            observe(gap_s)

    def on_started(self, model: str, started: object) -> None:
        """Counted at the request's end, by the server."""

    def on_finished(self, model: str, outcome: str, finished: object) -> None:
        """How requests end, finer than by gRPC status."""
        self.outcomes.labels(model, outcome).inc()

    def on_state(self, model: str, state: str) -> None:
        """Read at each exposition."""

    def exposition(self, reading: NodeReading) -> bytes:
        """All metrics in the text format."""
        state = CollectorRegistry()
        state.register(_ReadingCollector(reading))
        return generate_latest(self.registry) + generate_latest(state)


class _ReadingCollector(Collector):
    """Shows one NodeReading."""

    def __init__(self, reading: NodeReading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """One family for each metric, one value a model."""
        node = {"ready": float(self._reading.ready), **self._reading.node}
        for name, text in NODE_GAUGES.items():
            yield GaugeMetricFamily(f"{NAMESPACE}_{name}", text, node.get(name, 0.0))
        for name, text in NODE_COUNTERS.items():
            yield CounterMetricFamily(f"{NAMESPACE}_{name}", text, node.get(name, 0.0))
        for name, text in GAUGES.items():
            yield self._fill(name, GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=["model"]))
        for name, text in COUNTERS.items():
            yield self._fill(name, CounterMetricFamily(f"{NAMESPACE}_{name}", text, labels=["model"]))

    def _fill(self, name: str, family: GaugeMetricFamily | CounterMetricFamily) -> Metric:
        for model, values in self._reading.models.items():
            if name in values:
                family.add_metric([model], values[name])
        return family
