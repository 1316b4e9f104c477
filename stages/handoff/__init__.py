"""Phase 8: the mixture, its splits, and the dataset that trainers load."""
