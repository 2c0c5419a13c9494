"""Collections of documents: how fast they are searched, how well, and what a crash costs."""
