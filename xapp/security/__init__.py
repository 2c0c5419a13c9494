"""The identity of callers and their rights. Knows neither gRPC nor HTTP: both ports pass on what they see."""
