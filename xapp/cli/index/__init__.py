"""`genai-xapp index`: collections of documents on a node."""
