"""NVIDIA's engine contract, `openengine.v1`: its subset for this service, and the generated stubs."""
