"""
Instructions from a tree of subjects, after GLAN (arXiv 2402.13064); no seed examples are needed.

* `subjects` reads the tree: fields, sub-fields, disciplines and subjects, as deep as the recipe gives it.
* `syllabus` has the model complete the tree below each leaf and write a syllabus for each subject: class
  sessions with key concepts.
* `coursework` writes and answers questions that require concepts of one or two sessions.

A request about a node contains only the path to it, so changing a node sends new requests only for its
subtree.
"""
