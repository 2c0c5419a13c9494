"""Memory: what was said in a conversation, for the prompt of the next turn."""

from dataclasses import replace
from time import monotonic

from xapp.domain.chat import ChatMessage
from xapp.domain.requests import Request
from xapp.speech.conversation.events import Setup

MAX_TURNS = 8
"""Older turns are forgotten."""
DEFAULT_MAX_TOKENS = 160
"""A minute of speech."""
_SYSTEM = ChatMessage(
    "system", "You speak with a person. Answer in one or two short sentences, in plain words."
)


class Memory:
    """The turns of a conversation, at most MAX_TURNS."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        prompt = setup.request.prompt
        self._first: tuple[ChatMessage, ...] = (_SYSTEM,) if isinstance(prompt, str) or not prompt else prompt
        self._turns: list[tuple[ChatMessage, ChatMessage]] = []

    def remember(self, question: str, answer: str) -> None:
        """Adds a turn. A turn without an answer is forgotten: the roles have to alternate."""
        if answer:
            self._turns.append((ChatMessage("user", question), ChatMessage("assistant", answer)))
            del self._turns[:-MAX_TURNS]

    def request(self, question: str, turn: int) -> Request:
        """The request of the next turn."""
        setup, template = self._setup, self._setup.request
        if setup.turn_s is not None:
            limits = (template.deadline, monotonic() + setup.turn_s)
            template = replace(template, deadline=min(each for each in limits if each is not None))
        template = replace(
            template,
            max_tokens=template.max_tokens or DEFAULT_MAX_TOKENS,
            correlation_id=f"{template.correlation_id}.{turn}",
        )
        if template.task is not None:
            inputs = {**template.task.inputs, setup.utterance_input: question}
            return replace(template, task=replace(template.task, inputs=inputs))
        said = [message for each in self._turns for message in each]
        return replace(template, prompt=(*self._first, *said, ChatMessage("user", question)))
