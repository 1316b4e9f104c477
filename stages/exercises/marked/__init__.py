"""Answer candidates: spans of a passage that rules mark as possible answers."""
