"""The parts that several edges share: an edge is a port of the node with a dialect of its own."""
