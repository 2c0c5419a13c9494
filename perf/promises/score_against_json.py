"""Score of one-word choices against generating the choice as JSON, and against prefilling the prompt.

Score spares the tokens of the answer, not the prompt's. So its ratio to generating depends on how much of
the prompt is left to compute: nothing, a line after instructions that are known, all of it.
"""

import json
import statistics
from collections.abc import Iterator

from perf.bar_table import Sample
from perf.promises.contract_caller import Call, Calls
from perf.promises.promise_lineup import Lineup, Writer, call
from perf.round_loop import BarRun
from xapp.inference.v1 import inference_pb2 as pb

CHOICES = ("power", "network", "hardware", "security", "normal", "storage", "timing", "radio")
INSTRUCTION_TOKENS = 150
LINE_TOKENS = 20
PROMPT_TOKENS = 200
REPEATS = 5

_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"label": {"enum": list(CHOICES)}},
        "required": ["label"],
        "additionalProperties": False,
    }
)
_MAX_TOKENS = 32


def measure(lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    """One round, medians. Both ways get new texts of the same lengths, in turns."""
    ours = lineup.ours()
    writer = lineup.writer(ours, number)
    caller = lineup.caller(ours)
    one, other = writer.text(INSTRUCTION_TOKENS), writer.text(INSTRUCTION_TOKENS)
    same, same_too = _chat(one, writer), _chat(other, writer)
    pairs = {
        # The first of each makes the prompt, or what is the same of it, known.
        ("score.known", "json.known"): [(_score(same), _json(same_too)) for _ in range(REPEATS + 1)],
        ("score.cached", "json.cached"): [
            (_score(_chat(one, writer)), _json(_chat(other, writer))) for _ in range(REPEATS + 1)
        ],
        ("score.cold", "json.cold"): [
            (_score(_new_chat(writer)), _json(_new_chat(writer))) for _ in range(REPEATS + 1)
        ],
        ("score.prompt", "prefill.prompt"): [
            (_score(writer.text(PROMPT_TOKENS)), _prefill(writer.text(PROMPT_TOKENS)))
            for _ in range(REPEATS + 1)
        ],
    }
    for names, calls in pairs.items():
        called = call(caller, Calls([each for pair in calls for each in pair]))[2:]
        for index, name in enumerate(names):
            yield Sample(number, name, statistics.median(each.end_s for each in called[index::2]))


def _chat(instructions: str, writer: Writer) -> pb.Chat:
    told = f"{instructions}\nAnswer with one of: {', '.join(CHOICES)}."
    return pb.Chat(
        messages=[
            pb.Message(role="system", content=told),
            pb.Message(role="user", content=writer.text(LINE_TOKENS)),
        ]
    )


def _new_chat(writer: Writer) -> pb.Chat:
    return _chat(writer.text(INSTRUCTION_TOKENS), writer)


def _score(asked: pb.Chat | str) -> Call:
    given = {"prompt": asked} if isinstance(asked, str) else {"chat": asked}
    return Call(pb.ScoreRequest(choices=CHOICES, **given).SerializeToString(), score=True)


def _json(chat: pb.Chat) -> Call:
    held = pb.OutputFormat(json_schema=_SCHEMA)
    request = pb.GenerateRequest(chat=chat, max_tokens=_MAX_TOKENS, format=held)
    return Call(request.SerializeToString())


def _prefill(prompt: str) -> Call:
    """One token is what the prefill brings by itself."""
    return Call(pb.GenerateRequest(prompt=prompt, max_tokens=1, ignore_eos=True).SerializeToString())
