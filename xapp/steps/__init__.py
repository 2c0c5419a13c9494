"""What a step costs, and how long it may take: known to the scheduler and to admission alike."""
