"""Train a causal language model on packed token sequences; shared by the synthesizer and `prove`."""
