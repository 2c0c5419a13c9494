"""A program for a container: it takes memory until the kernel kills the worker for it."""

FILL_MEMORY = """
import os, pathlib, psutil
def name(process):
    return " ".join(process.cmdline()) if process.is_running() else ""
worker = next(p for p in psutil.Process(1).children(recursive=True) if "xapp.engine.worker" in name(p))
# This program would be the largest soon; the kernel takes the process with the highest score.
pathlib.Path(f"/proc/{worker.pid}/oom_score_adj").write_text("1000")
taken = []
while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
    taken.append(os.urandom(1) * (8 << 20))
"""
"""It ends once the worker is dead. It writes what it takes, since the kernel counts only what is written."""
