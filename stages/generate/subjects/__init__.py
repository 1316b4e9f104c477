"""
Instructions from a tree of subjects, after GLAN (arXiv 2402.13064); no seed examples are needed.

* `subjects` reads the tree: fields, sub-fields, disciplines, subjects, as far down as it is given.
* `syllabus` has the model complete the tree below each last given node and write a syllabus for each
  subject: class sessions with key concepts.
* `coursework` has questions written and answered that require concepts of one session, or of two.

A request about a node names the path to it and nothing beside it, so a change of a node sends new requests
for its subtree alone.
"""
