"""Turn an organisation's documents into fine-tuning data for language models."""

__version__ = "0.2.0"
