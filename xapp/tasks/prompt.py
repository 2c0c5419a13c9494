"""A task's prompt: checked when the task is read, rendered from each request's inputs by a model's text
process.
"""

from collections.abc import Mapping
from typing import Any

from xapp.domain.task import Task
from xapp.tasks.parse import fault
from xapp.text.task_template import BadTemplate, TaskTemplate


class TaskPrompt:
    """The `prompt` of one task. Raises ConfigError for an invalid template, or for a name that is
    no input.
    """

    def __init__(self, task: Task) -> None:
        self.source = task.prompt
        self._optional = dict.fromkeys(each.name for each in task.inputs if each.optional)
        try:
            template = TaskTemplate(task.prompt)
        except BadTemplate as error:
            raise fault(task.source, "prompt", str(error)) from error
        self.literal_start = template.literal_start
        """The text that all prompts of the task begin with."""
        declared = {each.name for each in task.inputs}
        if unknown := sorted(template.names - declared):
            raise fault(task.source, "prompt", f"names {unknown[0]!r}, which is no input")

    def values(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The values for the template. An optional input that was left out is None."""
        return {**self._optional, **inputs}
