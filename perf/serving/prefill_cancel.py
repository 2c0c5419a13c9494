"""How soon a cancelled prefill makes room: a worker of one slot, alone on the machine, without a server."""

from pathlib import Path

import msgspec

from perf.bar_table import Sample
from perf.callers.prompt_texts import LONG_PROMPT_TOKENS
from perf.json_child import Child
from perf.round_loop import NotMeasured
from perf.serving.worker_driver import PrefillCancel, PrefillCancelled
from xapp.config import EngineSettings

_CONTEXT = 2048
_PAUSE_S = 0.05


def measure(settings: EngineSettings, path: Path, number: int) -> list[Sample]:
    """One trial. Raises NotMeasured when the prompt was computed before it could be cancelled."""
    single = msgspec.structs.replace(settings, slots=1, context_length=_CONTEXT, kv_cells=None)
    encoded = msgspec.json.encode(single).decode()
    with Child("perf.serving.worker_driver", "--model", str(path), "--settings", encoded) as worker:
        answer = worker.ask(PrefillCancel(LONG_PROMPT_TOKENS, _PAUSE_S, number))
    found = msgspec.json.decode(answer, type=PrefillCancelled)
    if not found.in_prefill:
        raise NotMeasured("the prompt was computed before its request was cancelled")
    return [Sample(number, "worker.prefill_cancel", found.seconds)]
