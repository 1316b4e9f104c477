"""What several phases use: language, segmentation, checks, rendering, similarity."""
