"""What a near-RT RIC expects around the service."""
