"""The outside: gRPC servicers that convert and delegate."""
