"""Tests. gRPC is prepared here, before any of them imports it."""

from xapp.early import prepare_grpc

prepare_grpc()
