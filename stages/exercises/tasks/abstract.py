"""A declared task: its prompt, fields and checks are in ``prompts/instructions/abstract.yaml``."""

from datagen.stages.exercises.declared import from_file

task = from_file("abstract", "instructions/abstract")
