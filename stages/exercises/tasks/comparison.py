"""A declared task: its prompt, fields and checks are in ``prompts/instructions/comparison.yaml``."""

from datagen.stages.exercises.declared import from_file

task = from_file("comparison", "instructions/comparison")
