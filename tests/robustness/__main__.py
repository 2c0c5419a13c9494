"""Random faults under mixed load: python -m tests.robustness [--seconds 180] [--seed N] [--runs N]

Plays runs with the seeds from N on until the time is over, or a number of runs. Every rule of `rules`
holds for each history. Exit code 1: a rule is broken; the last line is the command that repeats the run.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic, time
from typing import NamedTuple

from tests.robustness.faults import FAILPOINTS
from tests.robustness.history import History
from tests.robustness.node import model_file, running
from tests.robustness.play import dump, play, solo_answers
from tests.robustness.rules import Violation, violations

RUNS_OF_A_NODE, RUNS_OF_A_MODEL = 20, 4
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
        self.ends.update(call.ends[0].code for call in history.ended)

    def __str__(self) -> str:
        ends, faults = dict(self.ends), dict(self.faults)
        return f"{self.runs} runs, {self.calls} calls {ends}, {self.faults.total()} faults {faults}"


class NodeRuns(NamedTuple):
    """Runs on one node, which has one value of XAPP_FAILPOINTS. `model` is `fake`, `default` or a file."""

    seed: int
    runs: int
    run_s: float
    model: str

    async def play(self, ends_at: float, tally: Tally) -> None:
        """Plays what there is time for; exits at a violation."""
        points = random.Random(self.seed).choice(FAILPOINTS)
        environ, model = {"XAPP_FAILPOINTS": f"{points}; seed={self.seed}"}, model_file(self.model)
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), environ, model) as node:
            solo = None if model is None else await solo_answers(node)
            for number in range(self.runs):
                history = await play(node, self.seed + number, self.run_s, solo)
                tally.add(history)
                if found := violations(history):
                    self._fail(history, found, number + 1)
                if monotonic() >= ends_at:
                    return

    def _fail(self, history: History, found: list[Violation], runs: int) -> None:
        for each in found[:20]:
            print(f"VIOLATION {each.rule} {each.id}: {each.what}")
        print(f"history: {dump(history, Path(tempfile.mkdtemp(prefix='robustness-')))}")
        options = f"--seed {self.seed} --runs {runs} --run-seconds {self.run_s:g} --model {self.model}"
        print(f"repeat: python -m tests.robustness {options}")
        sys.exit(1)


def _node_runs(options: argparse.Namespace, number: int, seed: int, left: int) -> NodeRuns:
    """Of the node with this number: every third has the default model where both are wanted."""
    both = "default" if number % 3 == 2 else "fake"
    model = both if options.model == "both" else options.model
    run_s = options.run_seconds or (_SHORT_S if model == "fake" else _LONG_S)
    most = RUNS_OF_A_NODE if model == "fake" else RUNS_OF_A_MODEL
    return NodeRuns(seed, min(most, left), run_s, model)


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
    tally, number, ends_at = Tally(), 0, monotonic() + options.seconds
    if options.runs:
        ends_at = float("inf")
    while monotonic() < ends_at and (left := (options.runs or 1 << 30) - tally.runs):
        seed = options.seed + tally.runs
        asyncio.run(_node_runs(options, number, seed, left).play(ends_at, tally))
        number += 1
        print(f"seeds {options.seed} to {options.seed + tally.runs - 1}: {tally}", flush=True)


if __name__ == "__main__":
    main()
