"""Who may come in, and when a request will be answered: deadlines, prediction, quotas, classes."""
