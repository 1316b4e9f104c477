"""Phase 5: scores, labels and calibrated confidence."""
