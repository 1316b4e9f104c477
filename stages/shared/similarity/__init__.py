"""Comparing texts: n-grams, an inverted index, vectors."""
