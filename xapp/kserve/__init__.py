"""The Open Inference Protocol, version 2, over gRPC: its names and numbers, generated from `*.proto` here."""
