"""`python -m perf.pool.server SPEED`: a node whose steps take 1 / SPEED of their usual time."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from xapp import logs
from xapp.app import RunnableService, run
from xapp.config import EngineSettings, Settings, load_settings
from xapp.domain.kinds import ModelKind
from xapp.served.dependencies import fake_dependencies
from xapp.service.service import NodeService
from xapp.telemetry.latency import ModelLatencies
from xapp.workers.client import EngineClient

STEP_S = 0.120
TOKEN_S = 0.012


def main() -> None:
    """See the module."""
    speed = float(sys.argv[1])
    command = (sys.executable, "-m", "perf.pool.worker", str(STEP_S / speed), str(TOKEN_S / speed))

    def new_client(
        path: Path, settings: EngineSettings, latencies: ModelLatencies, _: ModelKind
    ) -> EngineClient:
        return EngineClient(str(path), settings, command=command, latencies=latencies)

    def make_service(settings: Settings) -> RunnableService:
        return NodeService(settings, tools=replace(fake_dependencies(), new_client=new_client))

    logs.setup("info", form="json")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(run(load_settings(os.environ), make_service=make_service)))


if __name__ == "__main__":
    main()
