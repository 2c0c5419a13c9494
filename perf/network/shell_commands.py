"""The programs that set networks up: `ip`, `tc`, `nsenter`."""

import subprocess

_DENIED = ("operation not permitted", "permission denied")


class NetworkError(Exception):
    """A network could not be set up."""


class NotPermittedError(NetworkError):
    """The user, the container or the kernel does not let us; the message says what is missing."""


class UnknownQdiscError(NetworkError):
    """The kernel has no such queueing discipline."""


def run(*command: str) -> None:
    """Raises NetworkError, or the more exact of its kinds, with what the program said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotPermittedError(f"{command[0]} is not installed: the package iproute2 has it") from error
    if done.returncode:
        raise _error(command, done.stderr.strip())


def _error(command: tuple[str, ...], said: str) -> NetworkError:
    text = f"`{' '.join(command)}`: {said or 'failed'}"
    if any(denied in said.lower() for denied in _DENIED):
        return NotPermittedError(f"shaping a network needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN): {text}")
    if "qdisc kind is unknown" in said:
        return UnknownQdiscError(text)
    return NetworkError(text)
