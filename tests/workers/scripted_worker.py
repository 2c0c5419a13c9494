"""A worker for tests of the server's side: real process, real frames, scripted behaviour.

The "model file" is JSON: {"load": HOW}. HOW is "ok", "fail", "silent", "garbage", "assert", "lost", or the
name of a signal.
A prompt is text, one code point a token. The answer to a prompt is the prompt itself, one token a step, then
STOP (with ignore_eos: again and again until max_tokens). Prompts that start with "!" are orders:
    !lost      three tokens, then this process aborts as llama.cpp does when a helper is lost
    !SIGxxx    three tokens, then this process dies by that signal
    !exit      prints a line and exits with code 3
    !silent    nothing is ever said about this request
    !expire    two tokens, then EXPIRED
    !hang      the process stops reading and stepping
"""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

from xapp.domain.messages import (
    Cancel,
    FinishReason,
    FrameBuffer,
    FromWorker,
    LoadFailed,
    ModelInfo,
    Progress,
    Ready,
    SequenceFinished,
    SequenceStarted,
    Shutdown,
    Stats,
    StepEvents,
    Submit,
    decode_to_worker,
    encode,
)

CONTEXT_LENGTH = 4096
HELPER = "node-b:50052"


def model_info(slots: int) -> ModelInfo:
    return ModelInfo("scripted", 1, CONTEXT_LENGTH, slots, 8192, 1, "f16", False, 1, 0, 0.1, 256)


class Running:
    def __init__(self, request: Submit, at: float) -> None:
        self.request = request
        self.text = "".join(map(chr, request.prompt))
        self.num_tokens = 0
        self.started_at = at
        self.first_at: float | None = None


class ScriptedWorker:
    def __init__(self, sock: socket.socket, settings: dict[str, object]) -> None:
        self.sock = sock
        self.slots = int(str(settings["slots"] or 4))
        self.frames = FrameBuffer()
        self.waiting: dict[int, Submit] = {}
        self.running: dict[int, Running] = {}
        self.steps = 0

    def send(self, message: FromWorker) -> None:
        self.sock.sendall(encode(message))

    def load(self, how: str) -> bool:
        self.send(Progress(0.5))
        if how == "silent":
            self.sock.recv(1)
        elif how == "garbage":
            self.sock.sendall(b"\xff" * 8)
            self.sock.recv(1)
        elif how.startswith("SIG"):
            die(how)
        elif how == "assert":
            backtrace = "" if os.environ.get("GGML_NO_BACKTRACE") else "[Inferior 1 (process 7) detached]"
            print("/build/ggml.c:12: GGML_ASSERT(a == b) failed", backtrace, sep="\n", flush=True)
            die("SIGABRT")
        elif how == "lost":
            lose_helper()
        elif how == "fail":
            self.send(LoadFailed("model.gguf: not a GGUF file"))
        else:
            self.send(Progress(1.0))
            self.send(Ready(model_info(self.slots)))
        return how == "ok"

    def serve(self) -> None:
        while self.read():
            events = self.step()
            self.send(events)

    def read(self) -> bool:
        """False when it is time to end."""
        busy = bool(self.waiting or self.running)
        while select.select([self.sock], [], [], 0.001 if busy else None)[0]:
            data = self.sock.recv(65536)
            if not data:
                return False
            for body in self.frames.feed(data):
                message = decode_to_worker(body)
                if isinstance(message, Shutdown):
                    return False
                if isinstance(message, Submit):
                    self.waiting[message.request_id] = message
                if isinstance(message, Cancel):
                    self.cancel(message.request_id)
            busy = True
        return True

    def cancel(self, request_id: int) -> None:
        if self.waiting.pop(request_id, None) or self.running.pop(request_id, None):
            end = SequenceFinished(request_id, time.monotonic(), FinishReason.CANCELLED, 0, 0)
            self.send(StepEvents(finished=[end]))

    def step(self) -> StepEvents:
        events = StepEvents(tokens=[], started=[], finished=[])
        while self.waiting and len(self.running) < self.slots:
            request = self.waiting.pop(next(iter(self.waiting)))
            running = Running(request, time.monotonic())
            self.running[request.request_id] = running
            if running.text != "!silent":
                events.started.append(SequenceStarted(request.request_id, running.started_at, 0))
        for running in list(self.running.values()):
            self.advance(running, events)
        self.steps += 1
        stats = Stats(num_running=len(self.running), num_waiting=len(self.waiting), total_steps=self.steps)
        return StepEvents(events.tokens, events.started, events.finished, stats)

    def advance(self, running: Running, events: StepEvents) -> None:
        request, text = running.request, running.text
        if text == "!silent":
            return None
        if text == "!hang":
            time.sleep(3600)
        if text == "!exit":
            print("scripted: giving up", file=sys.stderr, flush=True)
            os._exit(3)
        if text.startswith("!lost") and running.num_tokens == 3:
            lose_helper()
        if text.startswith("!SIG") and running.num_tokens == 3:
            die(text[1:])
        if text == "!expire" and running.num_tokens == 2:
            return self.finish(running, FinishReason.EXPIRED, events)
        if running.num_tokens >= request.max_tokens:
            return self.finish(running, FinishReason.LENGTH, events)
        if running.num_tokens >= len(text) and not request.ignore_eos:
            return self.finish(running, FinishReason.STOP, events)
        running.first_at = running.first_at or time.monotonic()
        events.tokens.extend((request.request_id, ord(text[running.num_tokens % len(text)])))
        running.num_tokens += 1
        return None

    def finish(self, running: Running, reason: FinishReason, events: StepEvents) -> None:
        request_id = running.request.request_id
        del self.running[request_id]
        end = SequenceFinished(
            request_id, time.monotonic(), reason, 0, running.num_tokens, running.started_at, running.first_at
        )
        events.finished.append(end)


def lose_helper() -> None:
    print(f"/build/ggml-rpc.cpp:480: Remote RPC server crashed [RPC {HELPER}]", flush=True)
    die("SIGABRT")


def die(name: str) -> None:
    number = signal.Signals[name]
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    print(f"scripted: dying by {name}", flush=True)
    os.kill(os.getpid(), number)
    time.sleep(3600)


def main() -> None:
    script = json.loads(Path(sys.argv[2]).read_text())
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        worker = ScriptedWorker(sock, json.loads(sys.argv[3]))
        try:
            if worker.load(script["load"]):
                worker.serve()
        except (BrokenPipeError, ConnectionResetError):
            return


if __name__ == "__main__":
    main()
