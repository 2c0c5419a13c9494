"""A container of the image with the limits of a small Raspberry Pi, run by podman."""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Self

_LIMITS = (
    *("--memory=2g", "--memory-swap=2g", "--cpus=2"),
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/home/xapp:mode=1777", "--tmpfs=/tmp"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
    # It needs no network: it is asked from inside. Where an engine may not raise limits, these are permitted.
    *("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
)


_REFUSED = 125
"""The exit code of podman where it cannot make a container at all."""


class ContainerError(Exception):
    """podman ended with another code than 0; the message has what it said."""


def podman(*options: str, timeout_s: float = 120) -> str:
    """What podman prints, on both outputs. Raises ContainerError.

    Its monitor leaves a file `oom` where it works when a container has used up its memory.
    """
    done = subprocess.run(
        ["podman", "--runtime=runc", *options],
        cwd=tempfile.gettempdir(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    if done.returncode:
        raise ContainerError(f"podman {' '.join(options)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def refusal(image: str) -> str:
    """Why this machine cannot run a container with these limits, in podman's words; "" where it can."""
    command = ["podman", "--runtime=runc", "run", "--rm", *_LIMITS, image, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.stderr.strip()[-500:] if done.returncode == _REFUSED else ""


@dataclass(frozen=True, slots=True)
class Container:
    """By its id."""

    id: str

    @classmethod
    def start(cls, image: str, *options: str) -> Self:
        """In the background, with settings and volumes as podman's options."""
        return cls(podman("run", "--detach", *_LIMITS, *options, image).strip().splitlines()[-1])

    def inside(self, *command: str, timeout_s: float = 120) -> str:
        """What a command prints in the container."""
        return podman("exec", self.id, *command, timeout_s=timeout_s)

    def is_healthy(self) -> bool:
        """Whether the image's own health check says so."""
        try:
            podman("healthcheck", "run", self.id)
        except ContainerError:
            return False
        return True

    def wait_until_healthy(self, within_s: float = 120) -> None:
        """Raises ContainerError with the log."""
        deadline = time.monotonic() + within_s
        while not self.is_healthy():
            if time.monotonic() > deadline:
                raise ContainerError(f"not healthy within {within_s:g} s\n{self.logs()[-4000:]}")

    def logs(self) -> str:
        """What the server has logged."""
        return podman("logs", self.id)

    def remove(self) -> None:
        """Ends it as well."""
        podman("rm", "--force", "--time=5", self.id)
