"""
Answers in a demanded format.

* `datagen.stages.generate.format_control.rewrite`: views of a pair, each with a demand for a format or an
  example of it, and the answer in that format.
* `datagen.stages.generate.format_control.describe`: demands written from the formatted answer.

The formats and their parsers are in `datagen.stages.shared.formats`, the demands in
``prompts/formats/demands.yaml``.
"""
