"""The gRPC services of speech: Riva's, and this project's own for conversations."""
