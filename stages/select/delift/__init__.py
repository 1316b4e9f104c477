"""DELIFT (arXiv 2411.04425): neighbours, pairwise utility, selection."""
