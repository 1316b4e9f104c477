"""A declared task: its prompt, fields and checks are in ``prompts/instructions/open_question.yaml``."""

from datagen.stages.exercises.declared import from_file

task = from_file("open_question", "instructions/open_question")
