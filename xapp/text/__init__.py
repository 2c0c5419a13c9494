"""Text to tokens and back. The server's side is `model_text`; `process` does the work, where it may die.

codec, template, sandbox and budget run in the text process only, stream_text in the server only. Knows
neither requests nor workers; process and supervision are those of `engine`.
"""
