"""The recipe: its model, its errors, and the stages it names."""
