"""ORCA, by which a server tells gRPC and Envoy how loaded it is: generated, for the server only."""
