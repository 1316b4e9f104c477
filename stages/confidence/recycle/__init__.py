"""
Recycling: pairs criticised and rewritten, after Reflection-Tuning (arXiv 2310.11716, 2402.10110).

Four stages in this order; the first and third ask the teacher, the others the student, which is the target:

* `reflect_questions` has each question criticised and proposes a better one with its answer;
* `accept_questions` takes the proposals that are harder for the student to follow;
* `reflect_answers` has each answer criticised and proposes a better one;
* `accept_answers` takes the proposals from which the student guesses the question more easily.

Every row stays, with its id, its critiques, proposals, student scores and decisions, and the original pair.
"""
