"""Looking at a run: one row and what led to it (``datagen explain``), or all rows (``datagen browse``)."""
