"""
Verdicts on rows: what a person, or a source of truth, says of them.

`draw` chooses the rows that are to be judged, `terminal` and `page` show them, `file` keeps the verdicts as
JSON lines. `datagen.stages.confidence.calibrate` learns from them how sure it may be.
"""
