"""Phase 7: choosing rows within a budget."""
