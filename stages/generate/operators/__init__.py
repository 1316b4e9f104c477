"""
Operators: stages that make new pairs from the pairs of a run.

An operator takes examples and gives *candidates*; `datagen.stages.generate.operators.assess` makes those that
pass its quality gate examples. The parents stay as they are, beside their children. A child's lineage names
its parents, and its `metadata` the operator.

* `expand`: k new questions of the same type about the same material, answered.
* `refine`: one question with the same intent that asks for more, answered.
* `expand_pairs`: k new pairs after the pattern of several.
* `chain`: a question followed by instructions that each work on the previous output.

The first three are those of the data augmentation models of arXiv 2412.04871.
"""
