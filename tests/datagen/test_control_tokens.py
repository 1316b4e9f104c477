"""Chat control tokens: detected by family and by tokenizer, broken up in prompts, rejected in rows."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.control_tokens import BREAK, break_up, control_tokens, defuse
from datagen.engines import bundled
from datagen.engines.special_tokens import BUNDLED, special_tokens_of
from datagen.recipe.roles import VllmModel
from datagen.request import Request
from datagen.run import model_tasks
from datagen.run.tasks import Job
from datagen.schema import EXAMPLES, chat, table_of
from datagen.stage import Context, ModelStage
from datagen.stages.shared.checks.control import control_tokens_in

TOKENS = [
    "<start_function_call>",
    "◁/think▷",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|begin_of_text|>",
    "<|python_tag|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|channel|>",
    "<|message|>",
    "<|return|>",
    "<|START_OF_TURN_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<|tool_calls_section_begin|>",
    "<|reserved_special_token_7|>",
    "<|turn>",
    "<turn|>",
    "<|tool_call>",
    "<｜Assistant｜>",
    "<｜User｜>",
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜tool▁calls▁begin｜>",
    "<｜DSML｜function_calls>",
    "</｜DSML｜invoke>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "[/TOOL_RESULTS]",
    "[THINK]",
    "[/THINK]",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "[gMASK]",
    "<sop>",
    "<eop>",
    "[|assistant|]",
    "[|endofturn|]",
    "<seed:bos>",
    "]~b]",
    "]~!b[",
    "<SPECIAL_10>",
    "<extra_id_0>",
    "<BOS_TOKEN>",
]
TEXT = [
    "",
    "a <= b and c|d; x<|y; List<String>; <b>bold</b> [1] [see INST] [ARGS] [--help] {{ name }} a[i] <br/> <file> | table |",
    "f :: a -> b; 'a' <> 'b'; if (a<b || c>d) &lt;think&gt; <script> <title> think [INSTRUCTIONS] <start> <|>",
    "",
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_known_token_is_broken_up_at_any_position_and_stays_readable(token):
    for text in (token, f"a{token}b", f"{token}{token}", f"x\n{token}\ny"):
        broken = defuse(text)
        assert control_tokens().search(text)
        assert not control_tokens().search(broken)
        assert token not in broken
        assert broken.replace(BREAK, "") == text


@pytest.mark.parametrize("text", [*TEXT, "", None, 7, ["<|im_end|>"]])
def test_other_text_is_unchanged(text):
    assert defuse(text) is text or defuse(text) == text


@given(
    st.lists(st.sampled_from([*TOKENS, "<|im_", "end|>", "<", "|", "｜", ">", "[", "]", "~~~", "a", "\n"]))
)
def test_no_combination_of_tokens_and_fragments_leaves_a_token(pieces):
    text = "".join(pieces)
    broken = defuse(text)
    assert not control_tokens().search(broken)
    assert break_up(broken) == broken
    assert broken.replace(BREAK, "") == text


def save_tokenizer(folder, template_file=False):
    """Write a checkpoint's tokenizer files with every type of token, some in each file."""
    folder.mkdir(exist_ok=True)
    template = "{{ '<role:' + role + '>' }}<turn> {{ content }}"
    added = [
        ("<|made_up|>", True),
        ("[TURN-END]", True),
        ("<table>", False),
        ("  ", False),
        ("<turn>", False),
    ]
    added += [("word", True), ("§§§+*?(", True)]
    entries = [
        {"id": number, "content": text, "special": special} for number, (text, special) in enumerate(added)
    ]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": entries[:4]}))
    config = {
        "added_tokens_decoder": {str(entry["id"]): entry for entry in entries[4:]},
        "eos_token": {"content": "<<end>>"},
        "additional_special_tokens": ["@@sys@@"],
    }
    if template_file:
        (folder / "chat_template.jinja").write_text(template)
    else:
        config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<<begin>>"}))
    return folder


OWN = {"<|made_up|>", "[TURN-END]", "<turn>", "§§§+*?(", "<<end>>", "@@sys@@", "<<begin>>"}


@pytest.mark.parametrize("template_file", [True, False])
def test_special_tokens_and_template_tokens_are_read_without_words_or_layout(tmp_path, template_file):
    folder = save_tokenizer(tmp_path / "model", template_file)
    assert special_tokens_of(VllmModel(model=str(folder))) == OWN


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"added_tokens": 7, "eos_token": 3}', "\x00"])
def test_an_unreadable_tokenizer_has_no_own_tokens(tmp_path, content):
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).write_text(content)
    assert special_tokens_of(VllmModel(model=str(tmp_path))) == frozenset()


def test_the_token_list_of_the_bundled_tokenizer_is_correct():
    folder = bundled.folder_of("bundled")
    if not folder.is_dir():
        pytest.skip("the bundled model is not prepared")
    own = special_tokens_of(VllmModel(model=str(folder)))
    assert {token for token in own if not control_tokens().search(token)} == BUNDLED
    assert special_tokens_of(VllmModel()) == BUNDLED


def requests_of(tmp_path, model, *messages):
    """Write a stage's requests and read back what will be sent."""

    def ask(rows, options, context):
        for number, chat_messages in enumerate(messages):
            yield Request(row=str(number), messages=chat_messages, prompt="", prompt_hash="", task="t")

    stage = ModelStage("asks", "", "passages", "examples", ask, lambda *_: None)
    job = Job("asks", stage, None, Context("asks"), tmp_path / "asks", model=VllmModel(model=str(model)))
    path = model_tasks._write_requests(job, ask(None, None, None), tmp_path / "requests.parquet")
    return [request for _, request in model_tasks.unanswered(path, pa.array([True] * len(messages)))]


def test_only_the_tokens_of_the_requested_model_are_broken_up_in_every_message(tmp_path):
    model = save_tokenizer(tmp_path / "model")
    plain = chat("~~~\nWhat is a <table>?\n~~~")
    spoiled = [*chat("Say [TURN-END]@@sys@@ now"), {"role": "assistant", "content": "<|im_end|>"}]
    first, second = requests_of(tmp_path, model, plain, spoiled)
    assert first.messages == plain
    own = control_tokens(frozenset(OWN))
    assert not any(own.search(message["content"]) for message in second.messages)
    assert [m["content"].replace(BREAK, "") for m in second.messages] == [m["content"] for m in spoiled]


@pytest.mark.parametrize("name", ["question", "context", "answer", "rejected", "text"])
def test_a_control_token_in_a_row_is_reported_with_its_context(name):
    rows = table_of(
        EXAMPLES, [{"id": "a", name: "It is so."}, {"id": "b", name: "It is</think> so."}, {"id": "c"}]
    )
    assert control_tokens_in(rows, control_tokens()).to_pylist() == [None, "It is</think> so.", None]


def test_prompt_messages_are_checked_and_tokenizer_tokens_are_matched_in_arrow():
    prompts = [chat("Good day"), [*chat("Well"), *chat("@@sys@@ obey")], None, chat("§§§+*?(")]
    rows = table_of(
        EXAMPLES, [{"id": str(number), "prompt": prompt} for number, prompt in enumerate(prompts)]
    )
    rows = pa.concat_tables([rows.slice(0, 1), rows.slice(1)])  # in several chunks
    matches = control_tokens_in(rows, control_tokens(frozenset(OWN)))
    assert matches.to_pylist() == [None, "@@sys@@ obey", None, "§§§+*?("]


def test_arrow_and_python_find_the_same_tokens():
    column = pa.array([*TOKENS, *TEXT, *OWN])
    pattern = control_tokens(frozenset(OWN))
    assert pc.match_substring_regex(column, pattern.pattern).to_pylist() == [
        bool(pattern.search(text)) for text in column.to_pylist()
    ]


def test_longer_tokens_are_broken_up_before_their_prefixes():
    assert break_up("<a><a>b", frozenset({"<a>", "<a>b"})) == f"<{BREAK}a><{BREAK}a>b"
