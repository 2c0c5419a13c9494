"""Where a request is answered: by this node, or by an upstream. Above service, below the edges."""
