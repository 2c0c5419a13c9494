"""How many tool calls parse and validate, here and at llama-server: the same prompts, tools and model.

    python -m perf.tool_calls --model FILE.gguf [--count 200] [--seconds 600] [--choice required|auto]

Each prompt asks for one of five tools, with temperature 1 and its own seed. An answer counts where it has at
least one call, and each of its calls names a tool and has arguments that are JSON and conform to its schema.
The bar is 100 % here. llama-server is that of `make peers`, with `--jinja`; where it is missing, only this
node is asked.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from jsonschema import Draft202012Validator

from perf import peers
from perf.gateway import serving
from perf.process_under_test import HOST, Server, free_port

MAX_TOKENS = 256
_CALL_S = 300.0
_SHOWN_FAULTS = 5
_CELL = {"type": "string", "pattern": "^[A-Z][0-9]{2}$"}


def _tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = [
    _tool(
        "set_power",
        "Set the transmit power of a cell.",
        cell=_CELL,
        dbm={"type": "integer", "minimum": 0, "maximum": 46},
        reason={"type": "string", "maxLength": 40},
    ),
    _tool(
        "hand_over",
        "Move a device from one cell to another.",
        device={"type": "integer", "minimum": 1, "maximum": 65_535},
        source=_CELL,
        target=_CELL,
        cause={"enum": ["load", "coverage", "interference"]},
    ),
    _tool(
        "plan_check",
        "Plan a check of several cells at a time of day.",
        cells={"type": "array", "items": _CELL, "minItems": 1, "maxItems": 4},
        at={"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
        repeat={"type": "boolean"},
    ),
    _tool(
        "open_ticket",
        "Open a ticket for a fault.",
        severity={"type": "integer", "minimum": 1, "maximum": 5},
        part={
            "type": "object",
            "properties": {"kind": {"enum": ["antenna", "fan", "board"]}, "serial": {"type": "string"}},
            "required": ["kind", "serial"],
        },
    ),
    _tool(
        "predict_load",
        "Predict the load of a cell.",
        cell=_CELL,
        minutes={"enum": [15, 60, 240]},
        confidence={"type": "number", "minimum": 0, "maximum": 1},
    ),
]
_CHECKS = {each["function"]["name"]: Draft202012Validator(each["function"]["parameters"]) for each in TOOLS}


def prompt(number: int) -> str:
    """One of 200 different requests; each fifth asks for the same tool."""
    cell, other = f"{'ABCDEFGH'[number % 8]}{number % 90 + 10}", f"{'HGFEDCBA'[number % 8]}{number % 80 + 11}"
    return (
        f"Cell {cell} disturbs {other}: set its power to {number % 47} dBm.",
        f"Device {number * 37 % 9000 + 1} must leave {cell} for {other}, which has less load.",
        f"Check {cell} and {other} every day at {number % 24:02}:{number % 60:02}.",
        f"The fan of board SN-{number * 7919 % 10_000} is broken, and it is urgent. Open a ticket.",
        f"How loaded will {cell} be in an hour? I want to be {50 + number % 50} percent sure.",
    )[number % 5]


@dataclass
class Seen:
    """The answers of one server. `faults` has a line for each answer that does not count."""

    name: str
    num_asked: int = 0
    num_calls: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        good = self.num_asked - len(self.faults)
        share = round(good / self.num_asked, 4) if self.num_asked else None
        return {
            "server": self.name,
            "asked": self.num_asked,
            "valid": good,
            "share": share,
            "calls": self.num_calls,
            "seconds": round(self.seconds, 1),
            "faults": self.faults[:_SHOWN_FAULTS],
        }


def fault_of(message: dict[str, Any]) -> str:
    """Why an answer does not count; "" where it does."""
    calls = message.get("tool_calls") or []
    if not calls:
        return f"no call: {(message.get('content') or '')[:80]!r}"
    return next(filter(None, map(_fault_of_call, calls)), "")


def _fault_of_call(call: dict[str, Any]) -> str:
    name, text = call["function"]["name"], call["function"]["arguments"]
    if name not in _CHECKS:
        return f"no such tool: {name[:40]!r}"
    try:
        value = json.loads(text)
    except ValueError:
        return f"{name}: no JSON: {text[:80]!r}"
    error = next(_CHECKS[name].iter_errors(value), None)
    return f"{name}: {error.message[:80]}" if error else ""


async def ask(name: str, port: int, options: argparse.Namespace) -> Seen:
    """Asks all prompts, `options.streams` at once, until `options.seconds` have passed."""
    seen, numbers, begun = Seen(name), iter(range(options.count)), time.monotonic()
    timeout = aiohttp.ClientTimeout(total=_CALL_S)
    async with aiohttp.ClientSession(f"http://{HOST}:{port}", timeout=timeout) as session:

        async def stream() -> None:
            for number in numbers:
                if time.monotonic() - begun > options.seconds:
                    return
                await _ask_one(session, seen, number, options.choice)

        await asyncio.gather(*(stream() for _ in range(options.streams)))
    seen.seconds = time.monotonic() - begun
    return seen


async def _ask_one(session: aiohttp.ClientSession, seen: Seen, number: int, choice: str) -> None:
    body = {
        "messages": [{"role": "user", "content": prompt(number)}],
        "tools": TOOLS,
        "tool_choice": choice,
        "parallel_tool_calls": False,
        "temperature": 1,
        "seed": number,
        "max_tokens": MAX_TOKENS,
    }
    async with session.post("/v1/chat/completions", json=body) as response:
        said = await response.json()
    seen.num_asked += 1
    if response.status != 200:
        seen.faults.append(f"{number}: status {response.status}: {str(said)[:120]}")
        return
    message = said["choices"][0]["message"]
    seen.num_calls += len(message.get("tool_calls") or ())
    if fault := fault_of(message):
        seen.faults.append(f"{number}: {fault}")


@contextmanager
def _llama_server(folder: Path, model: Path, streams: int) -> Iterator[int]:
    port = free_port(HOST)
    command = [str(peers.BINARY), "--model", str(model), "--host", HOST, "--port", str(port), "--jinja"]
    command += ["--parallel", str(streams), "--ctx-size", str(streams * 2048), "--no-webui"]
    server = Server(command, {}, folder / "llama-server.log")
    try:
        server.wait_for_port(f"{HOST}:{port}")
        yield port
    finally:
        server.close()


async def _until_healthy(port: int) -> None:
    async with aiohttp.ClientSession(f"http://{HOST}:{port}") as session, asyncio.timeout(_CALL_S):
        while True:
            async with session.get("/health") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.1)


async def _measured(name: str, port: int, options: argparse.Namespace) -> dict[str, Any]:
    await _until_healthy(port)
    return (await ask(name, port, options)).summary()


def _ours(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    with serving(folder, str(options.model)) as ports:
        return asyncio.run(_measured("genai-xapp", ports.http, options))


def _theirs(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    with _llama_server(folder, options.model, options.streams) as port:
        return asyncio.run(_measured("llama-server", port, options))


def main() -> int:
    """Prints JSON; exit status 1 where the bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--count", type=int, default=200, help="prompts")
    parser.add_argument("--seconds", type=float, default=600.0, help="most for each server")
    parser.add_argument("--streams", type=int, default=4, help="prompts at once")
    parser.add_argument("--choice", choices=("required", "auto"), default="required")
    parser.add_argument("--only", choices=("genai-xapp", "llama-server"))
    options = parser.parse_args()
    sides = {"genai-xapp": _ours} | ({"llama-server": _theirs} if peers.BINARY.is_file() else {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [side(folder, options) for key, side in sides.items() if options.only in (None, key)]
    print(json.dumps({"model": options.model.name, "choice": options.choice, "servers": found}, indent=2))
    return 0 if all(each["share"] == 1 for each in found if each["server"] == "genai-xapp") else 1


if __name__ == "__main__":
    sys.exit(main())
