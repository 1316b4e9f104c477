"""Training a causal language model on packed token sequences: what the synthesizer and `prove` share."""
