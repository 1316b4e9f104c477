"""The recipe: its model, its errors, and its stages."""
