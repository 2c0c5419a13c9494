"""The models that this node serves, from load to end: loaded, watched, renewed, unloaded. Knows no verbs."""
