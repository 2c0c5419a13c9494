"""A pod that tries to reach other pods: a neighbour, a stranger, the RIC's platform."""

import json
from dataclasses import dataclass

from tests.cluster.release import CommandError, kubectl, run
from tests.image.build import IMAGE

_TRY = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()"
_LISTEN = "import http.server as h; h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"


@dataclass(frozen=True, slots=True)
class Peer:
    """By its namespace, which is made where it is not there, and its name. It listens on port 8000."""

    namespace: str
    name: str

    def start(self) -> None:
        """Until it is ready."""
        if self.namespace not in kubectl("get", "namespaces", "--output=name"):
            kubectl("create", "namespace", self.namespace)
        run("kubectl", "apply", "--filename=-", text=json.dumps(self._manifest()))
        kubectl("wait", "--for=condition=Ready", f"pod/{self.name}", self._where, "--timeout=60s")

    def address(self) -> str:
        """Its IP address."""
        return kubectl("get", "pod", self.name, self._where, "--output=jsonpath={.status.podIP}")

    def reaches(self, host: str, port: int) -> bool:
        """Whether a connection is made within 2 s."""
        try:
            self.inside("python", "-c", _TRY, host, str(port))
        except CommandError:
            return False
        return True

    def inside(self, *command: str) -> str:
        """What a command prints in the pod. Raises CommandError."""
        return kubectl("exec", self.name, self._where, "--", *command)

    def stop(self) -> None:
        """At once."""
        kubectl("delete", "pod", self.name, self._where, "--grace-period=0", "--force")

    @property
    def _where(self) -> str:
        return f"--namespace={self.namespace}"

    def _manifest(self) -> dict[str, object]:
        security = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        container = {
            "name": "peer",
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": ["python", "-c", _LISTEN],
            "securityContext": security,
        }
        pod = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": pod,
                "containers": [container],
            },
        }
