"""Runs in the node's namespaces, as their first process: brings the node up, then pytest beside it.

python -m tests.cluster.inside ROOT PROGRAMS ARCHIVE... -- [OPTION OF PYTEST...]
When it ends the kernel ends all that it started.
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.node import Node, environment
from tests.cluster.processes import NodeError
from tests.cluster.space import make_mounts, make_network

HERE = Path(__file__).parent


def main() -> int:
    """The exit code of pytest; 1 when the node does not come up."""
    end = sys.argv.index("--")
    root, programs, *archives = map(Path, sys.argv[1:end])
    started = time.monotonic()
    make_mounts(root)
    make_network()
    node = Node(root / "node", programs)
    try:
        node.start(archives)
    except NodeError as error:
        print(f"the node does not come up: {error}", file=sys.stderr)
        return 1
    print(f"the node is ready after {time.monotonic() - started:.1f} s", flush=True)
    pytest = [sys.executable, "-m", "pytest", str(HERE), "-p", "no:cacheprovider", *sys.argv[end + 1 :]]
    return subprocess.run(
        pytest, env={**environment(node), "GENAI_XAPP_NODE": str(root)}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
