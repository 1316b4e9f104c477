"""The pipeline's stages, one folder per phase, in the order of the pipeline."""
