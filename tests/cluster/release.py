"""A release of the chart on the node."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

CHART = Path(__file__).parents[2] / "helm" / "genai-xapp"
WAIT_S = 180


class CommandError(Exception):
    """A command ended with another code than 0; the message has what it said."""


def run(*command: str, text: str = "", timeout_s: float = WAIT_S + 30) -> str:
    """What the command prints when it reads the text. Raises CommandError."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=timeout_s)
    if done.returncode:
        raise CommandError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*options: str) -> str:
    """What kubectl prints. Raises CommandError."""
    return run("kubectl", *options)


class Release:
    """By its name and namespace. Every command waits until it is done, and raises CommandError."""

    def __init__(self, name: str, namespace: str, kind: str = "daemonset") -> None:
        self.name = name
        self.namespace = namespace
        self.workload = f"{kind}/{namespace}-{name}"
        self.service = f"service-{namespace}-{name}"

    def install(self, *values: str) -> None:
        """Until its pods are ready."""
        try:
            self._change("install", values, WAIT_S)
        except CommandError as error:
            raise CommandError(f"{error}\n{self.state()}") from error

    def upgrade(self, *values: str, timeout_s: int = WAIT_S) -> None:
        """To these values, with all others as they are. Rolled back when it fails."""
        self._change("upgrade", values, timeout_s, "--rollback-on-failure", "--reset-then-reuse-values")

    def _change(self, verb: str, values: Sequence[str], timeout_s: int, *options: str) -> None:
        sets = [part for value in values for part in ("--set", value)]
        common = ("--namespace", self.namespace, "--wait", "--timeout", f"{timeout_s}s")
        run("helm", verb, self.name, str(CHART), *common, *options, *sets, timeout_s=2 * timeout_s + 60)

    def roll_out(self) -> None:
        """Until its newest pods are ready and the others are gone."""
        kubectl(
            *("rollout", "status", self.workload, f"--namespace={self.namespace}", f"--timeout={WAIT_S}s")
        )

    def ask(self) -> str:
        """One answer through the Service's name, by the command line."""
        command = (sys.executable, "-m", "xapp.cli", "generate", "What is O-RAN?", "--max-tokens", "8")
        return run(*command, "--target", self.address("grpc"), "--deadline", "120s")

    def start_s(self) -> float:
        """Seconds from the start of the server's process to the log's `serving`."""
        began = float(self.inside("python", "-c", "import psutil; print(psutil.Process(1).create_time())"))
        entries = (json.loads(line) for line in self.logs().splitlines() if line.startswith("{"))
        (serving,) = [entry for entry in entries if entry.get("event") == "serving"]
        return datetime.fromisoformat(serving["ts"]).timestamp() - began

    def test(self) -> str:
        """`helm test`, with what its pod printed."""
        return run("helm", "test", self.name, "--namespace", self.namespace, "--logs", "--timeout", "120s")

    def uninstall(self) -> None:
        """All of it."""
        run("helm", "uninstall", self.name, "--namespace", self.namespace, "--wait", "--timeout", "90s")

    def revision(self) -> dict[str, Any]:
        """The newest entry of its history."""
        history = json.loads(
            run("helm", "history", self.name, "--namespace", self.namespace, "--output=json")
        )
        return dict(max(history, key=lambda entry: int(entry["revision"])))

    def pods(self) -> list[dict[str, Any]]:
        """Those of the server that are not ending."""
        selector = f"--selector=release={self.name},app={self.namespace}-{self.name}"
        found = json.loads(kubectl("get", "pods", f"--namespace={self.namespace}", selector, "--output=json"))
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    def pod(self) -> str:
        """The name of the one pod."""
        (pod,) = self.pods()
        return str(pod["metadata"]["name"])

    def inside(self, *command: str, timeout_s: float = WAIT_S) -> str:
        """What a command prints in the pod."""
        where = ("exec", f"--namespace={self.namespace}", self.pod())
        return run("kubectl", *where, "--", *command, timeout_s=timeout_s)

    def logs(self) -> str:
        """What the pod has logged."""
        return kubectl("logs", f"--namespace={self.namespace}", self.pod())

    def address(self, port: str) -> str:
        """HOST:PORT of a Service, by its name."""
        number = {"grpc": 50051, "grpc-pods": 50051, "http": 8080}[port]
        return f"{self.service}-{port}.{self.namespace}.svc.cluster.local:{number}"

    def state(self) -> str:
        """What the cluster tells of its pods, for a message."""
        return kubectl("describe", "pods", f"--namespace={self.namespace}")[-4000:]
