"""DELIFT (arXiv 2411.04425): neighbours, pairwise utility, selection."""

# Where an example comes from: the rows themselves, earlier releases, or examples of what is wanted.
ROWS, EARLIER, WANTED = "rows", "earlier", "wanted"
