"""
Recycling: criticise and rewrite pairs, after Reflection-Tuning (arXiv 2310.11716, 2402.10110).

Four stages in this order; the first and third ask the teacher, the others the student, which is the target:

* `reflect_questions` criticises each question and proposes a better one with its answer;
* `accept_questions` accepts the proposals that are harder for the student to follow;
* `reflect_answers` criticises each answer and proposes a better one;
* `accept_answers` accepts the proposals from which the student guesses the question more easily.

Every row is kept, with its id, critiques, proposals, student scores, decisions and original pair.
"""
