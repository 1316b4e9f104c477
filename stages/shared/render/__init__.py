"""Turning passages and exercises into training text."""
