"""
Train the synthesizer: the small model that writes what the stages ask for, where no larger one is named.

`recipe` says what is trained on, `sets` reads labelled paragraphs, `remix` turns them into what the stages
ask and should be answered (`mined` where no label says it), `packing` makes token sequences of that, `train`
fits a LoRA adapter, and `card` says what came of it.
"""
