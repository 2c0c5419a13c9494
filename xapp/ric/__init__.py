"""The node's side of a near-RT RIC: health, configuration, policies, alarms, registration."""
