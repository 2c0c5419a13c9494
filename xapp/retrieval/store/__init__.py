"""Where collections are kept: SQLite files on this node, or PostgreSQL with pgvector."""
