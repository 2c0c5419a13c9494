"""`genai-xapp chat`: a conversation with a node, on a terminal or over a pipe."""
