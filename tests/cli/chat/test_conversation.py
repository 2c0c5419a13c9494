import json
from pathlib import Path

import pytest

from xapp.cli.chat.conversation import Conversation


def roles(conversation: Conversation, question: str) -> list[tuple[str, str]]:
    return [(each.role, each.content) for each in conversation.request(question).chat.messages]


def test_a_question_follows_what_was_said() -> None:
    talk = Conversation(system_text="Be brief.")
    talk.keep("a?", "b.")
    assert roles(talk, "c?") == [("system", "Be brief."), ("user", "a?"), ("assistant", "b."), ("user", "c?")]


def test_a_question_without_an_answer_is_not_kept() -> None:
    talk = Conversation()
    talk.keep("a?", "")
    assert roles(talk, "b?") == [("user", "b?")]


def test_to_forget_keeps_the_system_text() -> None:
    talk = Conversation(system_text="s")
    talk.keep("a?", "b.")
    talk.forget()
    assert roles(talk, "c?") == [("system", "s"), ("user", "c?")]


@pytest.mark.parametrize("temperature", [None, 0.0, 0.5])
def test_the_request_has_what_was_chosen_and_no_more(temperature: float | None) -> None:
    request = Conversation("m", "", 7, temperature).request("a?")
    assert (request.model, request.max_tokens) == ("m", 7)
    assert request.HasField("sampling") == (temperature is not None)


def test_a_conversation_is_saved_as_json_or_markdown(tmp_path: Path) -> None:
    talk = Conversation("m", "s")
    talk.keep("wörld?", "yes")
    talk.save(tmp_path / "talk.json")
    talk.save(tmp_path / "talk.md")
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert saved["model"] == "m"
    assert [each["content"] for each in saved["messages"]] == ["s", "wörld?", "yes"]
    assert (
        tmp_path / "talk.md"
    ).read_text() == "## system\n\ns\n\n## user\n\nwörld?\n\n## assistant\n\nyes\n"
