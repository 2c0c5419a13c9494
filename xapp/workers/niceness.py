"""Niceness: which process of the node gives way to which.

Speech in real time goes first, then text that somebody waits for, then batches of vectors. Without privileges
a process can only become nicer. So on a node with speech the workers of models become nicer, and speech stays
as the server is. A node without speech has nothing to give way to: its workers stay as they are.

Batches of vectors are not told by niceness: they run in a thread that takes idle cores only
(`xapp/backend/quiet_thread.py`), which gives way to every niceness.
"""

BESIDE_SPEECH = 10
"""Of the workers of models. Linux gives them a tenth of a core on which speech computes."""


def of_workers(*, speech: bool) -> int:
    """How much nicer the workers of models are than the server."""
    return BESIDE_SPEECH if speech else 0
