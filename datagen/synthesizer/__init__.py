"""
Train the synthesizer: the small default model that answers the stages' requests.

`recipe` defines data and training, `sets` reads labelled paragraphs, `remix` turns them into requests of the
stages with responses (`mined` where no label gives one), `packing` builds token sequences, `train` fits a
LoRA adapter, and `card` documents the result.
"""
