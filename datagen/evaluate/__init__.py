"""Measuring a model on held-out questions."""
