"""DELIFT (arXiv 2411.04425): neighbours, pairwise utility, selection."""

# Sources of examples: the rows themselves, earlier releases, or wanted examples.
ROWS, EARLIER, WANTED = "rows", "earlier", "wanted"
