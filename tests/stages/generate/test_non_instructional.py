"""Non-instructional pairs: the properties of the method, with planted continuations."""

import pyarrow as pa
import pytest

from datagen.request import Answer, Answers, Completion
from datagen.schema import content_id
from datagen.stages.generate.non_instructional import Options, stage
from tests.support.asked import WHO, answers_to, ask
from tests.support.rows import context

FIRST = "The queen leaves the hive before noon. The keeper waits for her at the entrance of it."
SECOND = "She comes back within the hour, as a rule. If she is late, nobody should move the hive at all."
TEXT = f"{FIRST} {SECOND}"
NEW = "Other queens stay away for longer, and some of them are never seen again by anyone."


def passage(text=TEXT, **fields):
    row = {"document_id": "d", "source": "s", "title": "Bees", "section": [], "text": text, "index": 0}
    return row | {"id": content_id(text), "start": 100, "end": 100 + len(text)} | fields


def halves(continuation, *rows, **options):
    options = {"shortest": 20} | options
    return ask(stage, list(rows) or [passage()], lambda request: continuation, **options)


def test_noninstructional_the_split_is_at_the_recorded_offset_and_the_prefix_is_verbatim():
    (row,), dropped, (request,) = halves(NEW)
    assert not dropped and request.messages[-1]["content"] == FIRST
    assert (row["kind"], row["task"], row["question"], row["answer"]) == (
        "instruction",
        "continuation",
        FIRST,
        NEW,
    )
    assert row["prompt"] == [{"role": "user", "content": FIRST}]
    lineage = row["lineage"]
    assert lineage["document_id"] == "d"
    assert TEXT[lineage["start"] - 100 : lineage["end"] - 100] == FIRST


@pytest.mark.parametrize(
    ("split", "ends"), [("sentence", "entrance of it."), ("token", "entrance of it. She")]
)
def test_noninstructional_the_split_rule_is_an_option(tmp_path, split, ends):
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    assert len(FIRST.split()) == 17 and len(TEXT.split()) == 37
    _, _, (request,) = halves(NEW, split=split, tokenizer=str(tmp_path))
    assert request.messages[-1]["content"].endswith(ends)


def test_a_passage_is_split_before_prose_and_not_inside_a_table():
    table = "\n".join(f"| queen {number} | the year in which she was born |" for number in range(8))
    _, _, (request,) = halves(NEW, passage(f"{FIRST}\n\n{table}\n\n{SECOND}"))
    assert request.messages[-1]["content"] in (FIRST, f"{FIRST}\n\n{table}")
    _, dropped, _ = halves(NEW, passage(table))
    assert [row["reason"] for row in dropped] == ["too short to halve"]


def test_noninstructional_tokens_and_temperature_are_options():
    _, _, (request,) = halves(NEW, max_tokens=77, temperature=1.5)
    assert (request.sampling.max_tokens, request.sampling.temperature) == (77, 1.5)


@pytest.mark.parametrize(
    ("continuation", "reason"),
    [
        (SECOND, "copies the second half"),
        (f"As a rule. {SECOND}", "copies the second half"),
        (FIRST, "repeats the first half"),
        ("Yes.", "too short"),
        ("Sure, here is how the text could go on from this point.", "reads like an instruction"),
        (f"{NEW}\nQuestion: Where is the queen now?", "reads like an instruction"),
        ("As an AI, I do not keep bees in a hive of my own.", "reads like an instruction"),
        ("You're ready to continue the conversation.", "reads like an instruction"),
        (".\nI will not continue with the queen of this hive.", "reads like an instruction"),
        ("The above text has been put into other words.", "reads like an instruction"),
        ("The text does not say how long the queen stays away.", "reads like an instruction"),
        ("Write only what comes next: no heading, no comment, no questions.", "prompt echo"),
        ("She flies to the tree. She flies to the tree. She flies to the tree.", "repetition loop"),
    ],
)
def test_noninstructional_copies_and_instructions_are_dropped(continuation, reason):
    kept, (row,), _ = halves(continuation)
    assert not kept and row["reason"] == reason


def test_noninstructional_the_limit_of_copied_words_is_an_option():
    half_copied = f"{NEW} She comes back within the hour, as a rule."
    assert not halves(half_copied, max_overlap=0.1)[0]
    assert halves(half_copied, max_overlap=0.5)[0]


def test_noninstructional_the_audit_counts_instructional_pairs():
    rows = [passage(f"{TEXT} {number}") for number in range(4)]
    table = pa.Table.from_pylist([*rows, passage("Bees.")])
    options, where = Options(shortest=20), context("non_instructional")
    requests = list(stage.ask(table, options, where))
    replies = {rows[0]["id"]: "Sure, this is how it goes on from here."}
    outcome = stage.read(table, answers_to(requests, lambda r: replies.get(r.row, NEW), WHO), options, where)
    assert outcome.figures == {"judged": 4, "instructional": 1}


def test_a_truncated_continuation_ends_with_its_last_whole_sentence():
    table = pa.Table.from_pylist([passage()])
    (request,) = stage.ask(table, Options(shortest=20), context("non_instructional"))
    cut = Completion(request.key(WHO), f"{NEW} And then the", "length", *("m", "1"))
    outcome = stage.read(
        table, Answers([Answer(request, cut)]), Options(shortest=20), context("non_instructional")
    )
    assert outcome.kept["answer"].to_pylist() == [NEW]


def test_passages_that_cannot_be_split_or_are_not_sampled_are_dropped():
    _, dropped, _ = halves(NEW, passage("Bees sleep. Queens too."))
    assert [row["reason"] for row in dropped] == ["too short to halve"]
    _, dropped, _ = halves(NEW, share=0)
    assert [row["reason"] for row in dropped] == ["outside the sample"]
