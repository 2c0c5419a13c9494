"""Power, energy and heat of the node.

`NodePower` is what the rest of the node uses. It never estimates: without a meter there is no figure.
"""
