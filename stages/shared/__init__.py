"""Modules shared by several phases: language, segmentation, checks, rendering, similarity."""
