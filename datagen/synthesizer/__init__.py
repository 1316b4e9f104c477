"""
Train the synthesizer: the small default model that answers the stages' requests.

`recipe` defines data and training, `sets` reads labelled paragraphs, `drafts` turns their labels into the
responses of each task (`mined` where no label gives one), `remix` checks and samples them, `train` fits a
LoRA adapter, and `card` documents the result.
"""
