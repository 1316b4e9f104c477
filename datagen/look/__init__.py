"""Inspect a run: one row and its history (``datagen explain``), or all rows (``datagen browse``)."""
