"""One Kubernetes node: upstream programs, started in an order that works, inside the namespaces of `space`.

Its users have tokens in a file instead of certificates: the cluster lives for one run, in a network
of its own.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.processes import NodeError, Processes, succeeds
from tests.cluster.programs import KUBE_NAMES
from tests.cluster.space import NODE, NODE_IP, PODS, SERVICES

API = f"https://{NODE_IP}:6443"
ETCD = "http://127.0.0.1:2379"
PAUSE = "localhost/pause:1"
SOCKET = "/run/containerd/containerd.sock"
USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
}


class Node:
    """The files of the node under `root`, its programs from `programs`."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root = root
        self._programs = programs
        self.bin = root / "bin"
        for folder in (self.bin, root / "logs", root / "pki", root / "cni"):
            folder.mkdir(parents=True)
        self._link()
        self.processes = Processes(self.bin, root / "logs")

    @property
    def admin(self) -> Path:
        """The administrator's kubeconfig."""
        return self._kubeconfig("admin")

    def start(self, archives: Sequence[Path]) -> None:
        """Ready for pods of these images. Raises NodeError."""
        self._identities()
        self._control_plane()
        self.processes.start_python("dns", "tests.cluster.dns", NODE_IP, str(self.admin))
        self._runtime(archives)
        self._agent()

    def kubectl(self, *options: str) -> bool:
        """Whether kubectl says yes."""
        return succeeds([str(self.bin / "kubectl"), f"--kubeconfig={self.admin}", *options])

    # ---- files

    def _link(self) -> None:
        for name in KUBE_NAMES:
            (self.bin / name).symlink_to(self._programs / "kube")
        for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
            (self.bin / name).symlink_to(self._programs / name)

    def _kubeconfig(self, user: str) -> Path:
        return self.root / f"{user}.kubeconfig"

    def _identities(self) -> None:
        rows = []
        for name, (user, groups) in USERS.items():
            token = secrets.token_hex(16)
            rows.append(f'{token},{user},{user},"{groups}"')
            self._write_yaml(self._kubeconfig(name).name, self._kubeconfig_content(token))
        (self.root / "pki" / "tokens.csv").write_text("\n".join(rows) + "\n")
        key, public = str(self.root / "pki" / "sa.key"), str(self.root / "pki" / "sa.pub")
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        subprocess.run(
            ["openssl", "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True
        )

    def _kubeconfig_content(self, token: str) -> dict[str, Any]:
        cluster = {"server": API, "insecure-skip-tls-verify": True}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "own", "cluster": cluster}],
            "users": [{"name": "own", "user": {"token": token}}],
            "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
            "current-context": "own",
        }

    def _write_yaml(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.write_text(yaml.safe_dump(content))
        return path

    # ---- programs

    def _control_plane(self) -> None:
        pki, start = self.root / "pki", self.processes.start
        start("etcd", f"--data-dir={self.root / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn")
        start(
            "kube-apiserver",
            f"--etcd-servers={ETCD}",
            f"--advertise-address={NODE_IP}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--cert-dir={pki}",
            f"--token-auth-file={pki / 'tokens.csv'}",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
        )
        self.processes.wait(
            "kube-apiserver", "the API server is ready", lambda: self.kubectl("get", "--raw=/readyz"), 120
        )
        # Only now are the roles of its user there; without them it ends at once.
        start(
            "kube-controller-manager",
            f"--kubeconfig={self._kubeconfig('controller-manager')}",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={pki / 'apiserver.crt'}",
            "--leader-elect=false",
        )
        start("kube-scheduler", f"--kubeconfig={self._kubeconfig('scheduler')}", "--leader-elect=false")
        self.processes.wait(
            "kube-controller-manager",
            "the namespace default has its service account",
            lambda: self.kubectl("get", "serviceaccount", "default"),
            60,
        )

    def _runtime(self, archives: Sequence[Path]) -> None:
        network = {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods0",
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipam": {"type": "host-local", "subnet": PODS, "routes": [{"dst": "0.0.0.0/0"}]},
                }
            ],
        }
        (self.root / "cni" / "pods.conflist").write_text(json.dumps(network))
        config = self.root / "containerd.toml"
        config.write_text(_containerd_config(self.root / "cni"))
        self.processes.start("containerd", f"--config={config}")
        ctr = [str(self.bin / "ctr"), "--namespace=k8s.io"]
        self.processes.wait("containerd", "containerd answers", lambda: succeeds([*ctr, "version"]), 60)
        for archive in archives:
            done = subprocess.run(
                [*ctr, "images", "import", str(archive)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise NodeError(f"{archive} cannot be imported: {done.stderr.strip()}")

    def _agent(self) -> None:
        config = self._write_yaml("kubelet.yaml", KUBELET)
        self.processes.start(
            "kubelet",
            f"--config={config}",
            f"--kubeconfig={self._kubeconfig('kubelet')}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_IP}",
        )
        proxy = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(self._kubeconfig("proxy"))},
            "clusterCIDR": PODS,
            "hostnameOverride": NODE,
            "conntrack": {"maxPerCore": 0, "min": 0},  # those are settings of the machine's kernel
        }
        self.processes.start("kube-proxy", f"--config={self._write_yaml('proxy.yaml', proxy)}")
        ready = ("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=1s")
        self.processes.wait("kubelet", "the node is ready", lambda: self.kubectl(*ready), 120)
        # It ends at once where it does not find the node.
        self.processes.start(
            "kube-policies", f"--kubeconfig={self.admin}", f"--node={NODE}", f"--services={SERVICES}"
        )


KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "containerRuntimeEndpoint": f"unix://{SOCKET}",
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,  # it refuses a machine with cgroup v1 otherwise
    "failSwapOn": False,
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {
        "mode": "AlwaysAllow"
    },  # the API server has no certificate to show; nobody else is here
    "clusterDomain": "cluster.local",
    "clusterDNS": [NODE_IP],
    "resolvConf": "/etc/resolv.conf",
    "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    "imageGCHighThresholdPercent": 100,
    "nodeStatusUpdateFrequency": "2s",
}


def _containerd_config(cni: Path) -> str:
    """With `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc cannot lower a pod's score."""
    return f"""
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "{SOCKET}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{cni}"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "/usr/sbin/runc"
SystemdCgroup = false
"""


def environment(node: Node) -> dict[str, str]:
    """For what runs beside the node: kubectl and helm on the PATH, as administrator."""
    return {
        **os.environ,
        "KUBECONFIG": str(node.admin),
        "PATH": f"{node.bin}{os.pathsep}{os.environ['PATH']}",
    }
