"""The node's own world, once inside its namespaces: mounts and a network that nobody else sees.

Nothing of the machine's /run, /var/lib, /var/log or /sys is written, and no setting of its kernel.
"""

import contextlib
import subprocess
from pathlib import Path

NODE = "node1"
NODE_IP = "10.213.0.1"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/24"

_OWN_FOLDERS = ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log")
# What the kubelet would write into the machine's kernel. Behind a mount it finds the value that it wants.
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# Settings of this network namespace only.
_NETWORK_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/bridge/bridge-nf-call-iptables": "1",
}


def sh(*command: str) -> str:
    """What the command prints. Raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_mounts(root: Path) -> None:
    """Own folders over those of the machine; /sys shows this network's interfaces."""
    sh("mount", "--make-rprivate", "/")
    sh("mount", "--make-rshared", "/")  # a pod's mounts must reach the kubelet
    for folder in _OWN_FOLDERS:
        _bind(root / "fs" / folder.lstrip("/"), folder)
    cgroups = root / "cgroups"
    cgroups.mkdir()
    sh("mount", "--rbind", "/sys/fs/cgroup", str(cgroups))
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    sh("mount", "--rbind", str(cgroups), "/sys/fs/cgroup")
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("/run/netns", "/run/lock"):
        Path(folder).mkdir()
    _cover(root, "/etc/resolv.conf", f"nameserver {NODE_IP}\n")
    _cover(root, "/etc/hosts", f"127.0.0.1 localhost\n{NODE_IP} {NODE}\n")
    for name, value in _KERNEL_SETTINGS.items():
        if Path("/proc/sys", name).exists():
            _cover(root, f"/proc/sys/{name}", f"{value}\n")


def _bind(own: Path, folder: str) -> None:
    own.mkdir(parents=True)
    Path(folder).mkdir(parents=True, exist_ok=True)
    sh("mount", "--bind", str(own), folder)


def _cover(root: Path, path: str, text: str) -> None:
    own = root / "files" / path.strip("/").replace("/", "-")
    own.parent.mkdir(exist_ok=True)
    own.write_text(text)
    sh("mount", "--bind", str(own), path)


def make_network() -> None:
    """One interface with the node's address, and a default route: a local call to a Service needs one."""
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0-peer")
    sh("ip", "addr", "add", f"{NODE_IP}/24", "dev", "node0")
    for name in ("node0", "node0-peer"):
        sh("ip", "link", "set", name, "up")
    sh("ip", "route", "add", "default", "dev", "node0")
    sh("hostname", NODE)
    for name, value in _NETWORK_SETTINGS.items():
        path = Path("/proc/sys", name)
        if path.exists():
            path.write_text(value)


def remove_cgroups() -> None:
    """What the kubelet leaves in the machine's cgroups, once all of it has ended."""
    for tree in [*Path("/sys/fs/cgroup").glob("kubepods"), *Path("/sys/fs/cgroup").glob("*/kubepods")]:
        folders = sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*folders, tree]:
            with contextlib.suppress(OSError):  # another node's, or one whose last process is ending
                folder.rmdir()
