"""One module per task; see `datagen.stages.exercises.task`."""
