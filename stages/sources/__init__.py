"""Phase 1: read documents and cut them into passages."""
