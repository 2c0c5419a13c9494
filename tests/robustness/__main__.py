"""Random faults under mixed load: python -m tests.robustness [--seconds 180] [--seed N] [--runs N]

Plays runs with the seeds from N on until the time is over, or a number of runs. Every rule of `rules`
holds for each history. Exit code 1: a rule is broken; the last line is the command that repeats the run.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic, time

from tests.conftest import DEFAULT_MODEL_FILE
from tests.robustness.faults import FAILPOINTS
from tests.robustness.history import History
from tests.robustness.node import running
from tests.robustness.play import dump, play, solo_answers
from tests.robustness.rules import Violation, violations
from xapp.folders import default_models_dir

RUNS_OF_A_NODE = 20
_SHORT_S, _LONG_S = 1.0, 5.0


class Tally:
    """What was played so far."""

    def __init__(self) -> None:
        self.runs = self.calls = 0
        self.faults: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def add(self, history: History) -> None:
        """Counts a run."""
        self.runs += 1
        self.calls += len(history.calls)
        self.faults.update(each.what for each in history.faults)
        self.ends.update(call.ends[0].code for call in history.calls if call.ends)

    def __str__(self) -> str:
        ends, faults = dict(self.ends), dict(self.faults)
        return f"{self.runs} runs, {self.calls} calls {ends}, {self.faults.total()} faults {faults}"


async def _play_node(
    options: argparse.Namespace, number_of_node: int, seed: int, ends_at: float, tally: Tally
) -> int:
    """Runs on one node. Returns the number of runs; exits at a violation."""
    failpoints = f"{FAILPOINTS[seed % len(FAILPOINTS)]}; seed={seed}"
    name = options.model if options.model != "both" else "default" if number_of_node % 3 == 2 else "fake"
    model = _model(name)
    seconds = options.run_seconds or (_SHORT_S if model is None else _LONG_S)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), {"XAPP_FAILPOINTS": failpoints}, model) as node,
    ):
        solo = None if model is None else await solo_answers(node)
        for number in range(min(RUNS_OF_A_NODE, options.runs or RUNS_OF_A_NODE)):
            history = await play(node, seed + number, seconds, solo)
            tally.add(history)
            if found := violations(history):
                _fail(
                    history,
                    found,
                    f"--seed {seed} --runs {number + 1} --run-seconds {seconds:g} --model {name}",
                )
            if monotonic() >= ends_at:
                break
    return number + 1


def _fail(history: History, found: list[Violation], options: str) -> None:
    for each in found[:20]:
        print(f"VIOLATION {each.rule} {each.id}: {each.what}")
    print(f"history: {dump(history, Path(tempfile.mkdtemp(prefix='robustness-')))}")
    print(f"repeat: python -m tests.robustness {options}")
    sys.exit(1)


def _model(name: str) -> Path | None:
    if name == "fake":
        return None
    return Path(default_models_dir()) / DEFAULT_MODEL_FILE if name == "default" else Path(name)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long in all")
    parser.add_argument("--seed", type=int, default=int(time()) % 1_000_000, help="of the first run")
    parser.add_argument("--runs", type=int, default=0, help="number of runs instead of a time")
    parser.add_argument(
        "--run-seconds", type=float, default=0.0, help="of each run; 0: 1 s, 5 s with a model"
    )
    parser.add_argument("--model", default="both", help="`fake`, `default`, `both`, or a GGUF file")
    options = parser.parse_args()
    tally, seed, node = Tally(), options.seed, 0
    ends_at = float("inf") if options.runs else monotonic() + options.seconds
    while monotonic() < ends_at and (not options.runs or tally.runs < options.runs):
        seed += asyncio.run(_play_node(options, node, seed, ends_at, tally))
        node += 1
        print(f"seeds {options.seed} to {seed - 1}: {tally}", flush=True)


if __name__ == "__main__":
    main()
