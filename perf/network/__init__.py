"""A network between clients and servers of one machine: slower, longer, losing packets, as it was asked for."""
