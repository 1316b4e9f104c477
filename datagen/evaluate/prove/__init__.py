"""
Prove that a hand-off is worth training on: short fits against controls of equal trained tokens.

=============  =====================================================================================
`settings`     what the user chooses, and the constants of the experiment
`material`     what a run offers: passages, reading texts, pairs, dropped rows
`items`        what the model is asked: cloze items and closed-book questions, with distractors
`arms`         what each arm trains on, and for how many tokens
`plan`         all of that for a draw of passages that fits the time, as one file
`encode`       rows and items as tokens
`fit`          one fit and its measurements, in a process of its own
`processes`    the fits side by side
`verdict`      paired bootstrap over passages and seeds; a sentence for each question
`page`         the result as JSON, Markdown, HTML and SVG
`command`      all of it, in order: ``datagen prove``
=============  =====================================================================================
"""
