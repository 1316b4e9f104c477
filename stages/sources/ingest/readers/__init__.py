"""One module a format: `read(file)` yields its documents."""
