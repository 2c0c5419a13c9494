"""A network between clients and servers of one machine: as slow and as long as it was asked for."""
