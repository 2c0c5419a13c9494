"""Admission, text and models: what a request means, between the wire and the engine.

`types` is what server/ sees of it, `service` does it. No gRPC, no protobuf.
"""
