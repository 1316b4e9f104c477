"""Phase 8: the mixture, its splits, and the data set that trainers load."""
