"""Nobody reads the log: the node serves on, and ends when it is asked to."""

import os
import re
import signal
import subprocess
import sys

import grpc
import pytest

from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc

pytestmark = pytest.mark.slow

NUM_CALLS = 1500
"""Their log is several times what a pipe holds."""
CALL_S = 60.0


def test_a_node_whose_log_nobody_reads_serves_and_stops() -> None:
    environ = {**os.environ, "XAPP_BACKEND": "fake", "XAPP_HOST": "127.0.0.1", "XAPP_PIN_TASKS": "false"}
    command = [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stderr is not None
        read = b""
        while b'"serving"' not in read:
            read += process.stderr.read(1)
        found = re.search(rb'"grpc_port": (\d+)', read)
        assert found is not None
        with grpc.insecure_channel(f"127.0.0.1:{found[1].decode()}") as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            for number in range(NUM_CALLS):
                request = pb.GenerateRequest(prompt=str(number), max_tokens=1)
                assert list(stub.Generate(request, timeout=CALL_S))[-1].HasField("finished")
        process.send_signal(signal.SIGTERM)
        assert process.wait(CALL_S) == 0
