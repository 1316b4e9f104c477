"""Phase 6: rules, duplicates and test-set leaks."""
