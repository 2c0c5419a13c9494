"""What a node takes: memory, descriptors, tasks."""

import re
import urllib.request
from pathlib import Path
from typing import NamedTuple

from tests.robustness.node import TEXT, WORKER, Node
from tests.robustness.recording import IDENTITIES, bearer


class Taken(NamedTuple):
    """Of one moment. `pss_bytes` is that of all processes of the node, `server_bytes` the server's own."""

    pss_bytes: int
    server_bytes: int
    descriptors: int
    tasks: int


def taken(node: Node) -> Taken:
    """Now. The figures of the page of metrics include its own call."""
    pids = [node.pid, *node.pids(WORKER), *node.pids(TEXT)]
    return Taken(
        sum(map(pss, pids)), pss(node.pid), len(list(Path(f"/proc/{node.pid}/fd").iterdir())), _tasks(node)
    )


def pss(pid: int) -> int:
    """Bytes of a process; shared pages count in part."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _tasks(node: Node) -> int:
    request = urllib.request.Request(f"{node.server.http}/metrics", headers=dict(bearer(IDENTITIES[0])))
    with urllib.request.urlopen(request, timeout=30) as page:
        found = re.search(r"^ricxapp_genai_event_loop_tasks (\S+)", page.read().decode(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))
