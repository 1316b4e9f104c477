"""
Measure whether a hand-off is worth training on: short fits against controls with equal trained tokens.

=============  =====================================================================================
`settings`     options of the user, and constants of the experiment
`material`     rows of the run: passages, reading texts, pairs, dropped rows
`items`        test items: cloze items and closed-book questions, with distractors
`arms`         training rows of each arm
`plan`         sampled passages, items and rows that fit the time limit, in one file
`encode`       tokenisation of rows and items
`fit`          one fit and its measurements, in a separate process
`processes`    concurrent fits
`verdict`      paired bootstrap over passages and seeds; one sentence per question
`page`         the result as JSON, Markdown, HTML and SVG
`command`      the steps in order: ``datagen prove``
=============  =====================================================================================
"""
