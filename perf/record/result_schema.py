"""The result file: one JSON document a run, versioned.

A mode puts its samples in as plain rows, each a flat JSON object of its own shape (`paper`, `load` …
document theirs in a msgspec struct); what all modes share is here. A figure in `summary` follows from
the samples: whoever doubts it can compute it again.
"""

import enum
from typing import Any

import msgspec

from perf.engine_config import EngineConfig
from perf.machine import Machine, Noise

SCHEMA = "genai-xapp-bench/1"


class Mode(enum.StrEnum):
    """Which benchmark wrote the file."""

    PAPER = "paper"
    ACCURACY = "accuracy"
    LOAD = "load"
    COMPARE = "compare"
    ENGINE = "engine"
    SERVING = "serving"
    PROMISES = "promises"
    POOL = "pool"
    EMBEDDING = "embedding"
    RETRIEVAL = "retrieval"
    SHARDS = "shards"
    SPECULATION = "speculation"
    BIG_LITTLE = "big-little"
    ROUTING = "routing"
    SPEECH = "speech"
    QUANT = "quant"
    LENGTHS = "lengths"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who was measured. `kind` is `grpc` or `openai`; `server` names the software and its version.

    `model_digest` is "sha256:…" of the file, "" where the server does not tell.
    `flags` is how the server was started, where this run started it.
    """

    name: str
    kind: str
    address: str
    model: str
    model_digest: str = ""
    server: str = ""
    flags: list[str] = []
    engine_config: EngineConfig | None = msgspec.field(default=None, name="shape")


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of the run's outcome.

    `name` is a dotted path that means the same in every run of the mode: `decode_tokens_per_second`,
    `ttft.p95`; `group` tells figures of one name apart: a model, a rate, a number of streams.
    `low` and `high` bound a 95 % interval, None where there is none. `higher_is_better` is None for a
    figure that is neither (a count of prompts). `value` None: not measured, `note` says why.

    A figure of the modes with bars is a median; `name` is what its row in the table says, `minimum` and
    `maximum` are over the rounds, and `bar` is what it is held to, None for one that only informs.
    """

    name: str
    value: float | None
    unit: str
    group: str = ""
    low: float | None = None
    high: float | None = None
    num_samples: int = 0
    higher_is_better: bool | None = None
    note: str = ""
    bar: float | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the value keeps the bar; None without bar or value."""
        if self.value is None or self.bar is None:
            return None
        return self.value >= self.bar if self.higher_is_better else self.value <= self.bar


class Status(enum.StrEnum):
    """How far the run got."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run. `options` is the mode's own settings, `seeds` every seed that was used.

    `missing` says, for people, what a PARTIAL run lacks and why. `samples` has every single
    measurement; a sample's `kind` key says which struct it is of.
    """

    mode: Mode
    node: str
    machine: Machine
    targets: list[Target]
    options: dict[str, Any]
    seeds: dict[str, int]
    started_at: str
    duration_s: float
    status: Status
    summary: list[Figure]
    samples: list[dict[str, Any]]
    missing: list[str] = []
    noise: list[Noise] = []
    notes: list[str] = []
    schema: str = SCHEMA
