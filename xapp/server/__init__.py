"""The gRPC edge: servicers that convert and delegate."""
