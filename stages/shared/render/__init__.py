"""Rendering of passages and exercises as training text."""
