"""TTFT of a task whose prompts' beginning is kept computed, against the same prompt without a cache.

The first is asked just after the node has computed the beginning, the others after the node had nothing
to do, and after it did other work.
"""

import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Struct

from perf.bar_table import Sample
from perf.process_under_test import HOST, StartError, free_port
from perf.promises.contract_caller import Call, Called, Calls
from perf.promises.promise_lineup import Lineup, call
from perf.round_loop import BarRun, NotMeasured
from xapp.inference.v1 import inference_pb2 as pb

PREFIX_TOKENS = 450
INPUT_TOKENS = 20
ANSWER_TOKENS = 4
ASKED = 6
IDLE_S = 1.5
OTHER_TOKENS = 300
PIN_TIMEOUT_S = 30.0

_TASK = "perf-pinned"
_PINNED = "ricxapp_genai_tasks_pinned"


def measure(lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    """One round."""
    cold = lineup.ours("cold", {"XAPP_PREFIX_CACHE": "false", "XAPP_PIN_TASKS": "false"})
    writer = lineup.writer(cold, number)
    system = writer.text(PREFIX_TOKENS)
    lines = [writer.text(INPUT_TOKENS) for _ in range(ASKED)]
    other = [Call(_generate(prompt=writer.text(OTHER_TOKENS))) for _ in range(ASKED)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "task.yaml").write_bytes(task_file(system))
        port = free_port()
        settings = {"XAPP_TASKS_DIR": folder, "XAPP_HTTP_PORT": str(port)}
        pinned = lineup.ours("pinned", settings)
        _wait_until_pinned(port)
        caller = lineup.caller(pinned)
        found: dict[str, list[Called]] = {"first": [], "idle": [], "busy": [], "cold": []}
        found["first"] = call(caller, Calls([Call(_of_task(lines[0]))]))
        for index, line in enumerate(lines[1:], start=1):
            if index % 2:
                found["idle"] += call(caller, Calls([Call(_of_task(line), pause_s=IDLE_S)]))
            else:
                found["busy"] += call(caller, Calls([other[index], Call(_of_task(line))]))[1:]
        found["cold"] = call(lineup.caller(cold), Calls([Call(_as_chat(system, line)) for line in lines]))
    for what, value in figures(found).items():
        yield Sample(number, f"pinned.{what}", value)


def task_file(system: str) -> bytes:
    """A task whose system prompt is `system`. JSON is YAML."""
    return msgspec.json.encode(
        {
            "name": _TASK,
            "version": 1,
            "description": "For the benchmark.",
            "kind": "generate",
            "system": system,
            "prompt": "{{ line }}",
            "inputs": {"line": {"type": "string", "description": "What varies."}},
            "max_tokens": ANSWER_TOKENS,
        }
    )


def _of_task(line: str) -> bytes:
    inputs = Struct()
    inputs.update({"line": line})
    return pb.GenerateRequest(task=_TASK, inputs=inputs, ignore_eos=True).SerializeToString()


def _as_chat(system: str, line: str) -> bytes:
    turns = [pb.Message(role="system", content=system), pb.Message(role="user", content=line)]
    return _generate(chat=pb.Chat(messages=turns))


def _generate(**given: Any) -> bytes:
    request = pb.GenerateRequest(max_tokens=ANSWER_TOKENS, ignore_eos=True, **given)
    return bytes(request.SerializeToString())


def _wait_until_pinned(port: int) -> None:
    until = time.monotonic() + PIN_TIMEOUT_S
    while time.monotonic() < until:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=PIN_TIMEOUT_S) as answer:
            if num_pinned(answer.read().decode()) > 0:
                return
        time.sleep(0.05)
    raise StartError(f"no task was pinned within {PIN_TIMEOUT_S:g} s")


def num_pinned(metrics: str) -> float:
    """From the text of /metrics; 0 without the metric."""
    lines = [line.split() for line in metrics.splitlines() if line.startswith(f"{_PINNED} ")]
    return float(lines[0][1]) if lines else 0.0


def figures(found: Mapping[str, Sequence[Called]]) -> dict[str, float]:
    """Median TTFT in seconds of each kind and of all pinned; the share of the prompt that was cached.

    Raises NotMeasured when the prompts were not of one length: then the ratio would say nothing.
    """
    pinned = [*found["first"], *found["idle"], *found["busy"]]
    lengths = {each.num_prompt_tokens for each in (*pinned, *found["cold"])}
    if max(lengths) - min(lengths) > 1:
        raise NotMeasured(f"the prompts have {sorted(lengths)} tokens: they should be the same")
    medians = {kind: statistics.median(map(_ttft, called)) for kind, called in found.items()}
    cached = statistics.median(each.num_cached_tokens / each.num_prompt_tokens for each in pinned)
    return {**medians, "pinned": statistics.median(map(_ttft, pinned)), "cached": cached}


def _ttft(called: Called) -> float:
    assert called.first_s is not None
    return called.first_s
