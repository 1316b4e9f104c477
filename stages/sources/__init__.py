"""Phase 1: documents are read and cut into passages."""
