"""What stages share: reading, comparing and judging text."""
