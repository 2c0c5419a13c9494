"""A language model as an O-RAN xApp."""
