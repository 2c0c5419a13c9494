"""Whether principals are isolated from each other: by time, and by content."""
