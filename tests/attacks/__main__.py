"""Attacks a node of its own and prints what others notice: python -m tests.attacks [--seconds 6] [NAME...]

The node serves the default model. Beside each attack health is asked every 50 ms, over gRPC and at the
port of OpenAI's dialect. After the attacks come 10,000 calls at once on 1, 40 and 300 connections, of which
all must end with an answer or a reason.
"""

import argparse
import asyncio
import resource
from pathlib import Path

from perf.process_under_test import free_port
from tests.attacks import flood
from tests.attacks.child import ATTACKS
from tests.attacks.probe import Seen, attacker, resident
from tests.conftest import DEFAULT_MODEL_FILE
from tests.live import LiveServer, serving
from xapp.folders import default_models_dir

ROW = "| {:<52} | {:>5} | {:>8} | {:>8} | {:>8} | {:>12} | {:>6} | {:>9} | {:>9} |"
HEAD = ("attack", "alive", "p50, ms", "p99, ms", "most, ms", "HTTP p99, ms", "failed", "server MB", "text MB")


def _row(name: str, seen: Seen) -> str:
    times = [f"{seen.quantile_ms(share):.1f}" for share in (0.5, 0.99, 1.0)]
    times.append(f"{seen.page_quantile_ms(0.99):.1f}")
    memory = (f"{count / 2**20:.0f}" for count in (seen.memory_bytes, seen.text_bytes))
    alive = "yes" if seen.alive else "NO"
    return ROW.format(ATTACKS[name].name, alive, *times, len(seen.failed), *memory)


async def _attack(server: LiveServer, names: list[str], seconds: float) -> None:
    await flood.warm_up(server)
    idle = resident(server)
    print(ROW.format(*HEAD))
    print("| " + " | ".join("---" for _ in HEAD) + " |")
    async with attacker(server, idle) as process:
        for name in names:
            seen = await process.attack(name, seconds)
            print(_row(name, seen), flush=True)
            for why in sorted(set(seen.failed)):
                print(f"  {seen.failed.count(why)} times: {why[:200]}")
            if not seen.alive:
                return


async def _flood(server: LiveServer, calls: int) -> None:
    for connections in (1, 40, 300):
        ends = await flood.ends_of(server, calls, connections)
        unexplained = sum(count for end, count in ends.items() if end not in flood.EXPLAINED)
        print(
            f"{calls} calls, {connections} connections: {unexplained} without a reason; {dict(ends)}",
            flush=True,
        )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ATTACKS, []], metavar="NAME", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each attack lasts")
    parser.add_argument("--calls", type=int, default=10_000, help="of the flood; 0: none")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    model = str(Path(default_models_dir()) / DEFAULT_MODEL_FILE)
    with serving({"XAPP_MODEL": model, "XAPP_OPENAI_PORT": str(free_port())}) as server:
        asyncio.run(_attack(server, options.names or list(ATTACKS), options.seconds))
        if options.calls:
            asyncio.run(_flood(server, options.calls))


if __name__ == "__main__":
    main()
