"""What strangers can do to a node, and what the node's other callers notice of it."""
