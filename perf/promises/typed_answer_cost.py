"""What it costs a token that the answer is held to a JSON schema: one stream, greedy and drawn."""

import json
import statistics
from collections.abc import Iterator

from perf.bar_table import Sample
from perf.promises.contract_caller import Call, Calls
from perf.promises.promise_lineup import Lineup, call
from perf.round_loop import BarRun
from xapp.inference.v1 import inference_pb2 as pb

TOKENS = 96
REPEATS = 5
PROMPT_TOKENS = 60

_SCHEMA = json.dumps(
    {
        "type": "array",
        "minItems": 20,
        "items": {
            "type": "object",
            "properties": {
                "cause": {"enum": ["interference", "coverage", "load", "mobility", "backhaul", "unknown"]},
                "severity": {"type": "integer", "minimum": 1, "maximum": 5},
                "explanation": {"type": "string", "maxLength": 160},
            },
            "required": ["cause", "severity", "explanation"],
            "additionalProperties": False,
        },
    }
)
"""No answer of TOKENS tokens is whole."""
_SAMPLING = {
    "greedy": pb.SamplingParams(),
    "drawn": pb.SamplingParams(temperature=0.8, top_p=0.95, seed=7),
}


def measure(lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    """One round, medians, in turns."""
    ours = lineup.ours()
    writer = lineup.writer(ours, number)
    caller = lineup.caller(ours)
    for how, sampling in _SAMPLING.items():
        calls = [
            _call(writer.text(PROMPT_TOKENS), sampling, held=held)
            for _ in range(REPEATS + 1)
            for held in (True, False)
        ]
        called = call(caller, Calls(calls))[2:]
        for index, kind in enumerate(("held", "free")):
            found = statistics.median(each.token_s for each in called[index::2])
            yield Sample(number, f"{how}.{kind}", found)


def _call(text: str, sampling: pb.SamplingParams, *, held: bool) -> Call:
    chat = pb.Chat(messages=[pb.Message(role="user", content=f"{text}\nWhat is wrong? Answer as a list.")])
    request = pb.GenerateRequest(
        chat=chat,
        max_tokens=TOKENS,
        ignore_eos=not held,
        sampling=sampling,
        format=pb.OutputFormat(json_schema=_SCHEMA) if held else None,
    )
    return Call(request.SerializeToString())
