"""The whole loop of a near-RT RIC with this xApp in it, on one machine, with stand-ins for what is around it.

    python ric_loop.py --loops 100

A policy is PUT to A1, the node takes and enforces it; an anomaly message becomes a task, its typed answer a
control proposal that nobody executes. It starts a node of its own, with the default model, and stops it.
Needs the server extra. Prints how long each part took.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from jsonschema import Draft7Validator

from xapp.client import Client, ClientError, TaskCall, task
from xapp.ric.policy_type import policy_type

TYPE_ID = 21100
CLIENT = "anomaly-loop"
TASK = "anomaly-control"
START_S, POLICY_S = 120.0, 30.0
_DEGRADATIONS = ("RSRP", "RSRQ", "RSSINR", "Throughput", "RSRP RSRQ", "Throughput RSSINR")
_TARGETS = {"handover": "ue-id", "power": "du-id", "scheduler": "du-id", "inspect": "du-id"}


class A1:
    """The mediator's policies of one type: PUT from above is checked, GET is for the node.

    It also receives what the node reports of each policy.
    """

    def __init__(self) -> None:
        self._validator = Draft7Validator(policy_type(TYPE_ID)["create_schema"])
        self._instances: dict[str, Any] = {}
        self._statuses: dict[str, str] = {}
        self._reported = asyncio.Event()
        self.url = ""

    async def until_enforced(self, name: str) -> None:
        """Returns when the node has reported so."""
        while self._statuses.get(name) != "ENFORCED":
            self._reported.clear()
            await self._reported.wait()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["A1"]:
        """For the length of the block."""
        base = f"/A1-P/v2/policytypes/{TYPE_ID}/policies"
        app = web.Application()
        one = base + "/{id}"
        app.add_routes([web.get(base, self._list), web.get(one, self._get), web.put(one, self._put)])
        app.add_routes([web.post("/status", self._status)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._instances))

    async def _get(self, request: web.Request) -> web.Response:
        # As the mediator really does: the payload is encoded a second time.
        return web.json_response(json.dumps(self._instances[request.match_info["id"]]))

    async def _put(self, request: web.Request) -> web.Response:
        payload = await request.json()
        if not self._validator.is_valid(payload):
            return web.Response(status=400)
        self._instances[request.match_info["id"]] = payload
        return web.Response(status=202)

    async def _status(self, request: web.Request) -> web.Response:
        told = await request.json()
        self._statuses[told["policy_instance_id"]] = told["enforceStatus"]
        self._reported.set()
        return web.Response(status=204)


class Node:
    """A server of its own."""

    def __init__(self, a1: A1, session: aiohttp.ClientSession) -> None:
        self._grpc_port, self._http_port = _free_ports(2)
        self._a1 = a1
        self._session = session
        self.target = f"127.0.0.1:{self._grpc_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Starts it; in the end it is stopped, whatever happened."""
        environ = os.environ | {
            "XAPP_HOST": "127.0.0.1",
            "XAPP_GRPC_PORT": str(self._grpc_port),
            "XAPP_HTTP_PORT": str(self._http_port),
            "XAPP_TASKS_DIR": str(Path(__file__).parent / "ric_tasks"),
            "XAPP_RIC_A1_URL": self._a1.url,
            "XAPP_RIC_A1_POLL_S": "0.2",
            "XAPP_RIC_STATUS_URL": self._a1.url + "/status",
            "XAPP_RIC_POLICY_TYPE": str(TYPE_ID),
            "XAPP_LOG_LEVEL": "error",
        }
        # Ctrl-C is for this process, which then ends the node.
        command = [sys.executable, "-m", "xapp.cli", "serve"]
        process = subprocess.Popen(command, env=environ, start_new_session=True)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    async def enforce(self, name: str, payload: dict[str, Any]) -> float:
        """PUTs a policy to A1; seconds until the node reports that it enforces it. Raises TimeoutError."""
        began = time.perf_counter()
        url = f"{self._a1.url}/A1-P/v2/policytypes/{TYPE_ID}/policies/{name}"
        async with self._session.put(url, json=payload) as answer:
            answer.raise_for_status()
        async with asyncio.timeout(POLICY_S):
            await self._a1.until_enforced(name)
        return time.perf_counter() - began


def anomaly_message(draw: random.Random) -> list[dict[str, str]]:
    """What message 30003, TS_ANOMALY_UPDATE, carries."""
    du, now = draw.randrange(1000, 1100), datetime.now(UTC).isoformat(timespec="milliseconds")
    return [
        {
            "du-id": str(du),
            "ue-id": f"ue-{draw.randrange(10_000)}",
            "measTimeStampRf": now,
            "Degradation": draw.choice(_DEGRADATIONS),
        }
        for _ in range(draw.randint(1, 3))
    ]


def proposal(message: list[dict[str, str]], answer: dict[str, Any]) -> dict[str, Any]:
    """A control request that is not sent: somebody else decides."""
    target = _TARGETS.get(answer["action"])
    return {
        "dry_run": True,
        "action": answer["action"],
        "target": message[0][target] if target else None,
        "because": f"{answer['cause']}, severity {answer['severity']}",
    }


async def ask(client: Client, message: list[dict[str, str]], within_s: float) -> dict[str, Any]:
    """The task's answer, which the node holds to the task's schema. Raises ClientError."""
    call: TaskCall = task(TASK, {"anomalies": message}, measured_at=time.time())
    text = "".join([piece async for piece in client.stream_text(call, deadline_s=within_s)])
    answer: dict[str, Any] = json.loads(text)
    return answer


async def run_loops(
    client: Client, arguments: argparse.Namespace, stop: asyncio.Event
) -> tuple[list[float], dict[str, int]]:
    """Seconds of each loop that came to a proposal, and why the others did not; fewer once it is to stop."""
    draw = random.Random(arguments.seed)  # noqa: S311  no secret
    took_s: list[float] = []
    failed: dict[str, int] = {}
    for number in range(arguments.loops):
        if stop.is_set():
            break
        message = anomaly_message(draw)
        began = time.perf_counter()
        try:
            proposed = proposal(message, await ask(client, message, arguments.deadline))
        except ClientError as error:
            failed[error.reason or error.code] = failed.get(error.reason or error.code, 0) + 1
            continue
        took_s.append(time.perf_counter() - began)
        if number < 3:
            print(f"  {json.dumps(message[0])} …\n    → {json.dumps(proposed)}")
    return took_s, failed


def summary(took_s: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    if len(took_s) < 2:
        return "too few for a percentile"
    cuts = statistics.quantiles(took_s, n=100, method="inclusive")
    return f"p50 {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms, most {max(took_s) * 1e3:.0f} ms"


async def main() -> int:
    """Exit code 1 when a loop came to no proposal, or the policy was not enforced."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loops", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deadline", type=int, default=10, help="seconds of a loop")
    arguments = parser.parse_args()
    async with A1().serving() as a1, aiohttp.ClientSession() as session:
        node = Node(a1, session)
        with node.running():
            return await _loop(node, arguments)


async def _loop(node: Node, arguments: argparse.Namespace) -> int:
    scope = {"client": CLIENT, "model": "*"}
    async with Client(node.target, client_id=CLIENT) as client:
        await client.wait_until_serving(START_S)
        allowed = {
            "max_priority": "INTERACTIVE",
            "max_output_tokens": 64,
            "max_deadline_s": arguments.deadline,
        }
        waited_s = await node.enforce("loop", {"scope": scope, "statement": allowed})
        print(f"policy: PUT to A1, enforced after {waited_s * 1e3:.0f} ms")
        took_s, failed = await run_loops(client, arguments, _stop_signals())
        print(f"{len(took_s)} of {arguments.loops} loops, message to proposal: {summary(took_s)}")
        waited_s = await node.enforce("stop", {"scope": scope, "statement": {"max_priority": "BATCH"}})
        refused = await _refusal(client, arguments.deadline)
        print(f"a tighter policy: enforced after {waited_s * 1e3:.0f} ms, the next request: {refused}")
    if failed:
        print(f"without a proposal: {failed}", file=sys.stderr)
    return 1 if len(took_s) < arguments.loops or refused != "PRIORITY_NOT_ALLOWED" else 0


def _stop_signals() -> asyncio.Event:
    """Set by SIGTERM and Ctrl-C: what was measured until then is shown, and the node is stopped."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _refusal(client: Client, within_s: float) -> str:
    try:
        await ask(client, anomaly_message(random.Random(1)), within_s)  # noqa: S311  no secret
    except ClientError as error:
        return error.reason
    return "answered"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
