"""An engine's process that does what a text says: `python -m … FD KIND MODEL SETTINGS`."""

import os
import signal
import socket
import sys
import time

from xapp.speech.engine.process import Link
from xapp.speech.messages import Failed, Loaded, LoadFailed, Say, Spoken


def main() -> None:
    fd, _, model, _ = sys.argv[1:]
    link = Link(socket.socket(fileno=int(fd)))
    if model == "bad":
        link.send(LoadFailed("bad: cannot be loaded"))
        return
    link.send(Loaded("scripted", ["en"], ["one"]))
    for message in link.messages():
        if not isinstance(message, Say):
            continue
        if message.text == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif message.text == "hang":
            time.sleep(600)
        elif message.text == "refuse":
            link.send(Failed(message.job, "not that"))
        else:
            link.send(Spoken(message.job, message.text.encode()))


if __name__ == "__main__":
    main()
