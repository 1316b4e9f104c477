"""Language rules, word tokenization, and comparison of answers by their words."""
