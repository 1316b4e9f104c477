"""One module per format: `read(file)` yields the documents of a file."""
