"""Who calls and what they may do. Knows no gRPC and no HTTP: the edges bring what they see."""
