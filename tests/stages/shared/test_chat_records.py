"""Records of every known layout become the same example; any other record is rejected with a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.request import Reject
from datagen.schema import KINDS
from datagen.stages.shared.chat_records import example, question_of

USER, ASSISTANT = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
LAYOUTS = {
    "messages": {"messages": [USER, ASSISTANT]},
    "text parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}, ASSISTANT]},
    "messages as JSON": {"messages": json.dumps([USER, ASSISTANT])},
    "ShareGPT": {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
    "prompt and completion": {"prompt": "Q", "completion": "A"},
    "prompt and response": {"prompt": "Q", "response": "A"},
    "turns of both": {"prompt": [USER], "completion": [ASSISTANT]},
    "Alpaca": {"instruction": "Q", "input": "", "output": "A"},
    "Dolly": {"instruction": "Q", "context": "", "response": "A", "category": "open_qa"},
    "question and answer": {"question": "Q", "answer": "A"},
    "Alpaca with its text": {"instruction": "Q", "input": "", "output": "A", "text": "### Instruction: Q"},
    "a row of a wide table": {
        "messages": None,
        "prompt": None,
        "instruction": "Q",
        "output": None,
        "answer": "A",
    },
    "turns of a wide table": {
        "messages": [
            {"role": None, "from": "human", "content": None, "value": "Q"},
            ASSISTANT | {"from": None},
        ]
    },
}


@pytest.mark.parametrize("record", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_example(record):
    row = example(record)
    assert (row["kind"], row["question"], row["prompt"], row["answer"]) == ("instruction", "Q", [USER], "A")
    assert question_of(record) == "Q"


def test_input_context_and_system_are_kept():
    row = example({"instruction": "Sum up.", "input": "A text.", "output": "S", "system": "Be brief."})
    assert row["prompt"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Sum up.\n\nA text."},
    ]
    row = example({"question": "How long?", "context": "It lasts 6 months.", "answer": "6 months"})
    assert row["context"] == "It lasts 6 months." and row["prompt"][-1]["content"].startswith(row["context"])


@pytest.mark.parametrize("layout", ["messages", "ShareGPT", "prompt and completion", "Alpaca", "Dolly"])
def test_system_and_history_beside_any_layout_are_earlier_turns(layout):
    row = example(LAYOUTS[layout] | {"system": "Be brief.", "history": [["Q0", "A0"]]})
    assert row["prompt"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q0"},
        {"role": "assistant", "content": "A0"},
        USER,
    ]
    assert (row["question"], row["answer"]) == ("Q", "A")


def test_the_last_answer_of_a_chat_is_the_target():
    system, thanks = {"role": "system", "content": "S"}, {"role": "user", "content": "Thanks"}
    second = {"role": "user", "content": "Q2"}
    chat = [system, ASSISTANT, USER, ASSISTANT, second, {"role": "assistant", "content": "A2"}, thanks]
    row = example({"messages": chat})
    assert row["prompt"] == [system, USER, ASSISTANT, second]
    assert (row["question"], row["answer"]) == ("Q2", "A2")


def test_answers_marked_as_not_to_be_trained_are_never_the_target():
    good, second = {"role": "assistant", "content": "A", "weight": 1}, {"role": "user", "content": "Q2"}
    for off in ({"weight": 0}, {"weight": "0.0"}, {"train": False}, {"train": "False"}, {"train": 0}):
        bad = {"role": "assistant", "content": "bad"} | off
        row = example({"messages": [USER, good, second, bad, USER]})
        assert (row["prompt"], row["answer"]) == ([USER], "A")
        row = example({"messages": [USER, bad, second, good]})
        assert (len(row["prompt"]), row["answer"]) == (3, "A")
        with pytest.raises(Reject, match="weight") as why:
            example({"messages": [USER, bad]})
        assert why.value.reason == "no answer to train on"


B = {"role": "assistant", "content": "B"}
OPENAI = {"input": {"messages": [USER], "tools": []}, "preferred_output": [ASSISTANT]}


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q", "chosen": [USER, ASSISTANT], "rejected": [USER, B]},  # UltraFeedback
        {"question": "Q", "chosen": "A", "rejected": "B"},
        {"instruction": "Q", "input": "", "chosen": "A", "rejected": "B"},
        {"conversations": [{"from": "human", "value": "Q"}], "chosen": ASSISTANT, "rejected": B},
        OPENAI | {"non_preferred_output": [B]},
    ],
)
def test_preferences_of_any_prompt_are_the_same_row(record):
    row = example(record)
    assert (row["kind"], row["answer"], row["rejected"], row["prompt"]) == ("preference", "A", "B", [USER])
    assert row["question"] == "Q"


def test_names_of_roles_and_columns_of_turns_are_read():
    columns = {"role": ["Developer", "User", "Assistant"], "content": ["S", "Q", "A"]}
    row = example({"messages": columns})
    assert (row["prompt"], row["answer"]) == ([{"role": "system", "content": "S"}, USER], "A")
    assert example({"system_prompt": "S", "question": "Q", "response": "A"})["prompt"] == row["prompt"]


@pytest.mark.parametrize("empty", ["", None, "<noinput>", float("nan")])
def test_an_empty_input_adds_nothing(empty):
    assert example({"instruction": "Q", "input": empty, "output": "A"})["prompt"] == [USER]


def test_choices_in_the_prompt_are_kept():
    record = {"question": "Q\nA) one\nB) two", "choices": {"label": ["A", "B"], "text": ["one", "two"]}}
    assert example(record | {"answer": "B"})["question"] == record["question"]
    listed = {"question": "Which?", "context": "A) one", "options": {"A": "one"}, "answer": "A"}
    assert example(listed)["answer"] == "A"
    turns = [{"role": "system", "content": "Answer yes or no."}, USER]
    assert example({"prompt": turns, "completion": "yes", "choices": ["yes", "no"]})["answer"] == "yes"


def test_reasoning_beside_the_target_is_kept_apart_from_it():
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "A"}]
    thinking = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "A"}]
    for turn in (
        {"reasoning_content": "Hm."},
        {"thinking": "Hm."},
        {"content": parts},
        {"content": thinking},
    ):
        for record in (
            {"messages": [USER, ASSISTANT | turn]},
            {"prompt": [USER], "completion": [ASSISTANT | turn]},
        ):
            row = example(record)
            assert (row["answer"], row["reasoning"]) == ("A", "Hm.")
    assert example({"question": "Q", "answer": "A", "reasoning": "Hm."})["reasoning"] == "Hm."
    earlier = [USER, ASSISTANT | {"reasoning_content": "Hm."}, USER, ASSISTANT | {"reasoning_content": ""}]
    assert "reasoning" not in example({"messages": earlier, "reasoning": {"effort": "low"}})


def test_preferences_and_texts_are_read():
    row = example({"prompt": "Q", "chosen": "A", "rejected": "B"})
    assert (row["kind"], row["answer"], row["rejected"], row["prompt"]) == ("preference", "A", "B", [USER])
    complete = {"chosen": [USER, ASSISTANT], "rejected": [USER, {"role": "assistant", "content": "B"}]}
    assert example(complete) == row
    assert example({"text": "A text."}) == {"kind": "reading", "text": "A text."}


@pytest.mark.parametrize(
    "mark",
    [
        *({name: value} for name in ("label", "kto_tag", "vote") for value in (False, 0, "0", 0.0, "false")),
        *(
            {"feedback": value}
            for value in (
                "negative",
                -1,
                "Thumbs_Down",
                "thumbs down",
                "👎🏽",
                {"rating": "down"},
                {"value": 0},
            )
        ),
        *({name: value} for name in ("correct", "is_good", "accepted") for value in (False, "False")),
        *({"rating": value} for value in ("1 of 5", "2/5", "4 out of 10", "1 von 5", -1, {"score": "0/1"})),
    ],
)
def test_a_marked_answer_is_bad(mark):
    with pytest.raises(Reject, match=r"^a bad answer") as why:
        example({"question": "Q", "answer": "A"} | mark)
    assert "remove the field if it means something else" in str(why.value)
    with pytest.raises(Reject, match=r"^a bad answer"):
        example({"messages": [USER, ASSISTANT | mark]})
    assert example({"messages": [USER, ASSISTANT | mark, USER, ASSISTANT]})["answer"] == "A"


@pytest.mark.parametrize(
    "mark",
    [
        *({"label": value} for value in (True, 1, "1", "good", None, 2, "A")),
        {"label": "0", "answer": "0"},  # the class that the answer names
        {"label": "negative", "answer": "Negative"},
        {"correct": "No", "answer": "No"},
        {"correct": "The first."},
        {"correct": "False", "answer": "False"},
        {"correct": False, "answer": "False"},
        {"liked": True},
        *(
            {"rating": value}
            for value in (5, 1, "3 of 5", "5/10", "1", "", None, float("nan"), "unrated", {"a": 1})
        ),
        {"score": -3.5},  # of a reward model
    ],
)
def test_other_marks_are_not_those_of_bad_answers(mark):
    assert example({"question": "Q", "answer": "A"} | mark)["question"] == "Q"


def test_reasoning_in_tags_goes_into_its_column_and_is_not_the_answer():
    texts = ["<think>Hm.</think>A", "<THINK>\nHm.\n</think>\n\nA", "Hm.\n</think>\nA", "[THINK]Hm.[/THINK]A"]
    for text in texts:
        turn = {"role": "assistant", "content": text}
        for record in (
            {"messages": [USER, turn]},
            {"question": "Q", "answer": text},
            {"prompt": "Q", "completion": text},
        ):
            row = example(record)
            assert (row["answer"], row["reasoning"]) == ("A", "Hm.")
        row = example({"messages": [USER, turn, USER, ASSISTANT]})
        assert row["prompt"][1]["content"] == "A" and "reasoning" not in row
        row = example({"prompt": "Q", "chosen": text, "rejected": "<think>No.</think>B"})
        assert (row["answer"], row["reasoning"], row["rejected"]) == ("A", "Hm.", "B")
    for text in ("<think>Hm.", "<think>Hm.</think>", "<think>Hm.</think> \n"):
        with pytest.raises(Reject, match=r"^no answer"):
            example({"question": "Q", "answer": text})
    for text in ("The tag </think> ends it.", "Write <think> first.", "A\n`</think>` ends it."):
        assert example({"question": "Q", "answer": text}) == example({"question": "Q", "answer": "A"}) | {
            "answer": text
        }


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"messages": [USER]}, "no answer"),
        ({"messages": [ASSISTANT]}, "no answer"),
        ({"messages": [USER, USER, ASSISTANT]}, "roles out of order"),
        ({"messages": [USER, {"role": "tool", "content": "x"}, ASSISTANT]}, "needs tools"),
        ({"conversations": [{"from": "observation", "value": "x"}, USER, ASSISTANT]}, "needs tools"),
        ({"messages": [USER, {"role": "boss", "content": "x"}, ASSISTANT]}, "unknown role"),
        ({"messages": [USER, ASSISTANT, ASSISTANT]}, "roles out of order"),
        ({"messages": [{"role": "user", "content": "<image>\nWhat?"}, ASSISTANT]}, "needs other media"),
        ({"prompt": "Q", "completion": "A", "label": False}, "a bad answer"),
        ({"conversations": [USER, ASSISTANT], "kto_tag": "False"}, "a bad answer"),
        ({"question": "Q", "choices": ["A", "B"], "answer": "A"}, "choices left out"),
        ({"prompt": "Q", "options": {"A": "one"}, "completion": "A"}, "choices left out"),
        ({"question": "Q", "choices": ["one"], "chosen": "A", "rejected": "B"}, "choices left out"),
        ({"text": "Q", "role": "prompter"}, "unknown layout"),
        ({"chosen": "Human: Q Assistant: A", "rejected": "Human: Q Assistant: B"}, "no question"),
        ({"prompt": "?", "chosen": [USER, ASSISTANT], "rejected": [USER, B]}, "two prompts"),
        (OPENAI | {"input": {"messages": [USER], "tools": [{}]}, "non_preferred_output": [B]}, "needs tools"),
        ({"messages": [USER, {"role": "assistant", "content": " \n"}]}, "blank turn"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "unknown layout"),
        ({"messages": [{"role": "system", "content": "S"}]}, "no answer"),
        ({"messages": [USER, {"role": "system", "content": "S"}, ASSISTANT]}, "roles out of order"),
        ({"messages": [{"role": "system", "content": "S"}, USER, ASSISTANT], "system": "T"}, "roles out of order"),
        ({"messages": [USER, ASSISTANT | {"tool_calls": [{"name": "search"}]}, ASSISTANT]}, "needs tools"),
        ({"messages": [USER, ASSISTANT | {"function_call": {"name": "search"}}]}, "needs tools"),
        ({"conversations": [USER, ASSISTANT], "tools": "[{}]"}, "needs tools"),
        ({"conversations": [USER, ASSISTANT], "images": ["a.png"]}, "needs other media"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT]}, "needs other media"),
        ({"messages": [{"role": "user", "content": ["Q"]}, ASSISTANT]}, "unknown layout"),
        ({"messages": [{"role": "user", "content": []}, ASSISTANT]}, "blank turn"),
        ({"instruction": "Q", "input": ["a"], "output": "A"}, "unknown layout"),
        ({"instruction": "Q", "output": "A", "history": [["Q0"]]}, "unknown layout"),
        ({"instruction": "Q", "output": "A", "history": "Q0"}, "unknown layout"),
        ({"question": "Q", "answer": "A", "context": {"sentences": []}}, "unknown layout"),
        ({"messages": "hello"}, "unknown layout"),
        ({"messages": None}, "unknown layout"),
        ({"messages": 7}, "unknown layout"),
        ({"instruction": "Q"}, "no answer"),
        ({"instruction": "Q", "output": ""}, "blank turn"),
        ({"instruction": 7, "output": "A"}, "unknown layout"),
        ({"text": " "}, "blank turn"),
        ({"prompt": "Q", "chosen": "A", "rejected": "A "}, "no preference"),
        ({"chosen": [USER, ASSISTANT], "rejected": [{"role": "user", "content": "?"}, ASSISTANT]}, "two prompts"),
        ({"other": 1}, "unknown layout"),
        ([USER], "unknown layout"),
        (None, "unknown layout"),
    ],
)  # fmt: skip
def test_other_records_are_rejected(record, reason):
    with pytest.raises(Reject) as why:
        example(record)
    assert why.value.reason == reason and why.value.detail


NAMES = ["messages", "conversations", "prompt", "completion", "role", "content", "from", "value", "chosen"]
NAMES += ["rejected", "instruction", "input", "output", "question", "answer", "context", "system", "text"]
NAMES += ["history", "tools", "images", "weight", "label", "choices", "reasoning", "type"]
NAMES += ["preferred_output"]
NAMES += ["non_preferred_output"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "assistant"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
)


@given(JSON)
def test_any_record_is_an_example_or_rejected(record):
    try:
        row = example(record)
    except Reject as why:
        assert why.reason
        return
    assert row["kind"] in KINDS
    if row["kind"] == "reading":
        assert row["text"].strip()
        return
    turns = [turn["role"] for turn in row["prompt"] if turn["role"] != "system"]
    assert turns == ["user", "assistant"] * (len(turns) // 2) + ["user"]
    assert row["answer"].strip() and all(turn["content"].strip() for turn in row["prompt"])
    assert row["kind"] != "preference" or row["rejected"].strip() != row["answer"].strip()


@given(JSON)
def test_the_question_of_any_record_is_text_or_the_record_is_rejected(record):
    try:
        assert question_of(record).strip()
    except Reject as why:
        assert why.reason
