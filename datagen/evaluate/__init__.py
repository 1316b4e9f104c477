"""Evaluate a model on held-out questions."""
