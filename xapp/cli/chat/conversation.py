"""What was said so far, and what the next question is asked with. Knows no terminal and no network."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from xapp.client import system, user
from xapp.inference.v1 import inference_pb2 as pb

_JSON = ".json"


@dataclass(slots=True)
class Conversation:
    """The turns, oldest first, without the system text. "" is: the node's own model, no system text."""

    model: str = ""
    system_text: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    turns: list[pb.Message] = field(default_factory=list)

    def request(self, question: str) -> pb.GenerateRequest:
        """Asks `question` after all that was said."""
        sampling = None if self.temperature is None else pb.SamplingParams(temperature=self.temperature)
        return pb.GenerateRequest(
            model=self.model,
            chat=pb.Chat(messages=[*self._beginning(), *self.turns, user(question)]),
            max_tokens=self.max_tokens,
            sampling=sampling,
        )

    def keep(self, question: str, answer: str) -> None:
        """Adds a question and its answer, which may be a part of it; nothing where there is no answer."""
        if answer:
            self.turns += [user(question), pb.Message(role="assistant", content=answer)]

    def forget(self) -> None:
        """Removes all turns. The model and the system text stay."""
        self.turns.clear()

    def save(self, path: Path) -> None:
        """Writes JSON to a file named *.json, Markdown to any other. Raises OSError."""
        written = self._json() if path.suffix == _JSON else self._markdown()
        path.write_text(written, encoding="utf-8")

    def _beginning(self) -> Iterable[pb.Message]:
        return [system(self.system_text)] if self.system_text else []

    def _messages(self) -> list[pb.Message]:
        return [*self._beginning(), *self.turns]

    def _json(self) -> str:
        messages = [{"role": each.role, "content": each.content} for each in self._messages()]
        return json.dumps({"model": self.model, "messages": messages}, ensure_ascii=False, indent=2) + "\n"

    def _markdown(self) -> str:
        return "\n".join(f"## {each.role}\n\n{each.content}\n" for each in self._messages())
