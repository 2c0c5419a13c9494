"""What a node takes while it works and fails for long: python -m tests.robustness.soak [--seconds 300]

Rounds of load and faults, as `make robustness` plays them. After each round the node rests. Prints memory,
descriptors and tasks, and their growth after a warm-up. Every rule holds here too.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from time import monotonic

from tests.robustness.figures import Taken, taken
from tests.robustness.node import Node, model_file, running
from tests.robustness.play import play, solo_answers
from tests.robustness.rules import violations

WARM_UP = 0.25
"""Share of the time that does not count."""
_ROUND_S = 15.0
_REST_S = 4.0
_FEW = 3


async def measure(node: Node, seconds: float, seed: int, *, is_fake: bool) -> list[Taken]:
    """What the node takes after each round that counts."""
    solo = None if is_fake else await solo_answers(node)
    began = monotonic()
    seen: list[Taken] = []
    while (at := monotonic() - began) < seconds:
        history = await play(node, seed + len(seen), _ROUND_S, solo)
        for each in violations(history):
            print(f"VIOLATION {each.rule} {each.id}: {each.what}")
            sys.exit(1)
        await asyncio.sleep(_REST_S)
        now = await asyncio.to_thread(taken, node)
        print(f"{at:.0f} s, {len(history.calls)} calls, {len(history.faults)} faults: {now}", flush=True)
        if at >= seconds * WARM_UP:
            seen.append(now)
    return seen


def growth(seen: list[Taken]) -> str:
    """The last rounds beside the first: medians of a few."""
    first, last = (
        Taken(*(sorted(each)[len(each) // 2] for each in zip(*some, strict=True)))
        for some in (
            seen[:_FEW],
            seen[-_FEW:],
        )
    )
    return (
        f"PSS {100 * (last.pss_bytes / first.pss_bytes - 1):+.1f} %, server "
        f"{100 * (last.server_bytes / first.server_bytes - 1):+.1f} %, "
        f"descriptors {last.descriptors - first.descriptors:+d}, tasks {last.tasks - first.tasks:+d}"
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="fake", help="`fake`, `default`, or a GGUF file")
    options = parser.parse_args()
    model = model_file(options.model)
    quiet = {"XAPP_LOG_LEVEL": "info"}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), quiet, model) as node:
        seen = asyncio.run(measure(node, options.seconds, options.seed, is_fake=model is None))
    print(growth(seen))


if __name__ == "__main__":
    main()
