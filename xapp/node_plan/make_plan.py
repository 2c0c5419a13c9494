"""The plan of a node from its settings and the files on disk. Loads nothing, and opens no connection."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from xapp.backend.node import memory_total_bytes, this_node
from xapp.backend.sizing import Node
from xapp.config import RetrievalSettings, Settings
from xapp.errors import XappError
from xapp.models.store import resolve
from xapp.node_plan.model_plan import facts_of_file, planned_model
from xapp.node_plan.planned import CpuPlace, NodePlan, PlannedService
from xapp.served.configured_models import named_models

SERVER_BYTES = 100_000_000
"""The server process with every port. Measured: 91 MB."""
PARSER_BYTES = 40_000_000
"""The process that parses documents, between two documents."""


def plan_of_this_node(settings: Settings) -> NodePlan:
    """Measures the node now, before anything is loaded. It reads the headers of files, which blocks."""
    return plan_node(settings, this_node(), memory_total_bytes())


def plan_node(settings: Settings, node: Node, total_bytes: int) -> NodePlan:
    """The services of the settings. A model that is not there, or a wrong setting, is left out: the start
    reports it.
    """
    services = [planned_server(), *planned_retrieval(settings.retrieval)]
    if settings.speech.on:
        # A node without speech loads none of its code.
        from xapp.node_plan.speech_plan import planned_speech  # noqa: PLC0415

        services += planned_speech(settings.speech, node.cores)
    for key, name in named_models(settings):
        rest = remaining(node, services)
        model = _planned_file(settings, key, name, rest)
        if model is not None and model.name not in {service.name for service in services}:
            services.append(model)
    return NodePlan(tuple(services), node, total_bytes)


def remaining(node: Node, services: list[PlannedService]) -> Node:
    """The node without what these services take."""
    taken = sum(service.sized_bytes for service in services)
    return replace(node, memory_bytes=max(node.memory_bytes - taken, 0))


def planned_server() -> PlannedService:
    """The node's own process. It runs already when the memory is measured."""
    return PlannedService("server", "server", "", 0, SERVER_BYTES, 1, CpuPlace.SPEECH)


def planned_retrieval(retrieval: RetrievalSettings) -> Iterator[PlannedService]:
    """Vectors of searched collections in the server, and the parser."""
    if not retrieval.folder and not retrieval.url:
        return
    cache = retrieval.cache_bytes if retrieval.folder else 0
    key = "XAPP_RETRIEVAL_CACHE_BYTES" if retrieval.folder else "XAPP_RETRIEVAL_URL"
    yield PlannedService("collections", "retrieval", key, 0, cache, 1, CpuPlace.SPEECH)
    yield PlannedService("parser", "retrieval", key, 0, PARSER_BYTES, 1, CpuPlace.SPEECH)


def _planned_file(settings: Settings, key: str, name: str, node: Node) -> PlannedService | None:
    own = settings.of_model(name)
    if own.engine.backend == "fake":
        return None
    try:
        file = resolve(name, Path(settings.node.models_dir).expanduser())
        own = settings.of_model(file.name)
        return planned_model(file.name, key, facts_of_file(file, own), own.engine, node)
    except XappError:
        return None
