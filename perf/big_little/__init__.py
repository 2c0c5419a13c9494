"""What a little and a big model reach together: speed, big-model passes, bytes, accuracy."""
