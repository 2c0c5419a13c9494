"""What the command line settles before gRPC is imported."""

import os
import subprocess
import sys

_SAYS = "import xapp.cli, grpc; from grpc._cython import cygrpc; print(cygrpc.is_fork_support_enabled())"


def test_a_node_that_forks_runs_no_handlers_of_grpc() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    said = subprocess.run(
        [sys.executable, "-c", _SAYS], env=environ, capture_output=True, check=True, text=True
    )
    assert said.stdout.split() == ["False"]
