"""Servers to compare with: `make peers` builds llama-server and installs llama-cpp-python's own server.

Minutes, once. Both have the llama.cpp that the service has: only the server around it differs.
"""

from perf.peers.build_llama_server import BINARY, built
from perf.peers.peer_paths import ROOT

__all__ = ["BINARY", "ROOT", "built"]
