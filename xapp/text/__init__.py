"""Text to tokens and back. `model_text` is the server's side, `process` does the work in a process that may
die.

codec, guard, template, sandbox and budget run in the text process. stream_text runs in the server. The server
checks the sources of task templates (task_template), and the process renders them. The package knows neither
requests nor workers. Processes and supervision come from `workers`.
"""
