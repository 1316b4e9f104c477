"""Comparison of texts: n-grams, near duplicates, an inverted index, vectors."""
