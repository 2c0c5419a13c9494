"""`genai-xapp doctor`: checks what a server needs on this machine, and says what to do."""
