"""Running a recipe: the runner, its tasks, budget, run folder and lease."""
