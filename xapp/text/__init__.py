"""Text to tokens and back. The server's side is `model_text`; `process` does the work, where it may die.

codec, guard, template, sandbox and budget run in the text process, stream_text in the server only; of
task_template the server checks sources, the process makes prompts. Knows neither requests nor workers;
process and supervision are those of `engine`.
"""
