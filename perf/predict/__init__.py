"""Predicts the speed of models on boards from public figures, and checks itself against these figures."""
