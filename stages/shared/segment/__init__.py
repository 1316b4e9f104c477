"""Splitting documents: blocks, headings, sentences."""
