"""A little model on this node and a big model answer together."""
