"""The gRPC contract of Riva's clients for speech, as far as this node answers it, and its stubs."""
