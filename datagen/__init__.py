"""Turn an organisation's documents into data its language model can be fine-tuned on."""

__version__ = "0.2.0"
