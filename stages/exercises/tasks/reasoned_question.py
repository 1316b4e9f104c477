"""A declared task: its prompt, fields and checks are in ``prompts/instructions/reasoned_question.yaml``."""

from datagen.stages.exercises.declared import from_file

task = from_file("reasoned_question", "instructions/reasoned_question")
