"""Where a request is answered: here, on another node, or by two models together."""
