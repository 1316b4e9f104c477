"""
Operators: stages that make new pairs from the pairs of a run.

An operator turns examples into *candidates*; `datagen.stages.generate.operators.assess` turns the candidates
that pass its quality gate into examples. Parents are kept unchanged. A child's lineage names its parents, and
its `metadata` names the operator.

* `expand`: k new questions of the same type about the same material, with answers.
* `refine`: one question with the same intent that asks for more, with its answer.
* `expand_pairs`: k new pairs modelled on several others.
* `chain`: a question followed by instructions that each work on the previous output.

The first three follow the data augmentation models of arXiv 2412.04871.
"""
