"""The models that this node serves: loading, watching, reloading, unloading. Requests are in `service`."""
