"""What fits on this node: the memory and the threads of each configured service, before any is loaded."""
