"""A declared task: its prompt, fields and checks are in ``prompts/instructions/how_to.yaml``."""

from datagen.stages.exercises.declared import from_file

task = from_file("how_to", "instructions/how_to")
