"""Questions and answers between a person and a node: what the terminal and the pipe share."""

import sys

from xapp.cli.chat.answer import Answer, answer_to
from xapp.cli.chat.conversation import Conversation
from xapp.cli.say import say, shown
from xapp.cli.stream_watch import Watch
from xapp.client import Client
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2


class Dialogue:
    """A conversation with the node behind `client`; `stats` shows the figures of each answer."""

    def __init__(
        self,
        client: Client,
        conversation: Conversation,
        *,
        deadline_s: float | None = None,
        stats: bool = False,
    ) -> None:
        self.conversation = conversation
        self.last_watch: Watch | None = None
        self._client = client
        self._deadline_s = deadline_s
        self._stats = stats

    def say(self, text: str) -> None:
        """A line that is not part of an answer."""
        say(text, err=True)

    async def ask(self, question: str) -> None:
        """Shows the answer, and keeps both for the next question. Raises ClientError."""
        answer = await self._show(self.conversation.request(question))
        self.conversation.keep(question, answer.text)

    async def ask_once(self, request: pb.GenerateRequest) -> None:
        """Shows the answer to a request that is no part of the conversation. Raises ClientError."""
        await self._show(request)

    async def models(self) -> list[str]:
        """The models that the node has loaded, by name."""
        models = await self._client.list_models()
        return [each.name for each in models if each.state == models_pb2.MODEL_STATE_READY]

    async def tasks(self) -> list[pb.Task]:
        """The tasks that generate."""
        return [each for each in await self._client.list_tasks() if each.kind == "generate"]

    async def _show(self, request: pb.GenerateRequest) -> Answer:
        answer = Answer()
        try:
            await answer_to(self._client, request, _write, self._deadline_s, answer)
        finally:
            if answer.pieces and not answer.pieces[-1].endswith("\n"):
                _write("\n")
        self.last_watch = answer.watch
        if answer.stopped:
            self.say("(stopped)")
        if self._stats:
            self.say(answer.watch.summary())
        return answer


def _write(text: str) -> None:
    sys.stdout.write(shown(text))
    sys.stdout.flush()
