"""
Pass questions that the corpus does not answer to the refusals.

A question for which `retrieve` found no passage becomes a probe with a near miss: the nearest passage, which
contains too few of its words. `refuse` asks its judge whether that passage leaves the question open, and
writes a refusal only if it does. The target was never asked such a question, so no row claims that the target
does not know the answer.
"""

import pyarrow as pa

from datagen.request import Reject
from datagen.stage import Builder, Context, MapStage, Options, Outcome


def apply(questions: pa.Table, options: Options, context: Context) -> Outcome:
    """Turn questions without passages into probes; drop the others as answerable."""
    builder = Builder("probes", context)
    for row in questions.to_pylist():
        fields = {"kind": "instruction", "task": row["task"], "question": row["question"]}
        if row["answered"] is None:
            builder.drop(Reject("not searched", "put retrieve before this stage"), fields, row)
        elif row["answered"]:
            builder.drop(Reject("has passages", "answer_questions answers it"), fields, row)
        elif not row["passages"]:
            builder.drop(Reject("no passage resembles it", row["question"]), fields, row)
        else:
            nearest = row["passages"][0]
            near = {
                "question": row["question"],
                "context": nearest["text"],
                "title": nearest["title"],
                "change": "passage",
            }
            unasked = {"answers": [""], "matches": [0.0], "right": [None], "accuracy": 0.0}
            builder.keep(fields | unasked | {"near": near, "metadata": row["metadata"]}, row)
    return builder.outcome()


stage = MapStage(
    name="open_questions",
    summary="pass questions without passages to the refusals",
    takes="questions",
    gives="probes",
    apply=apply,
)
