"""Phase 2: reading-comprehension texts."""
