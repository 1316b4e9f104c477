"""
Verdicts on rows by people or other sources of truth.

`draw` samples the rows to judge, `terminal` and `page` show them, and `file` stores the verdicts as JSON
lines. `datagen.stages.confidence.calibrate` learns from them.
"""
