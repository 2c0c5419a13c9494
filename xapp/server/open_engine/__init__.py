"""NVIDIA's engine contract, `openengine.v1`: converted and delegated."""
