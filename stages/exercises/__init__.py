"""Exercises about a passage: the tasks, how they are sampled, and how their answers are confirmed."""
