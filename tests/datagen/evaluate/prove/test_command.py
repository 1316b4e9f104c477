"""A whole proof on a small random model: how it resumes, stops and fails."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from datagen.cli import app
from datagen.errors import UserError
from datagen.evaluate.prove import command
from datagen.evaluate.prove.effect import p_gold
from datagen.evaluate.prove.encode import Encoder
from datagen.evaluate.prove.plan import Plan
from datagen.evaluate.prove.settings import settings_of
from datagen.store.parquet import write_table

pytestmark = pytest.mark.slow  # the import of PyTorch and transformers alone

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)


@pytest.fixture
def base(tmp_path):
    """Write a small random model with a tokenizer of characters."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("peft")
    pytest.importorskip("trl")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["bridge tower market built restored western square"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    fast.chat_template = CHAT
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(tmp_path / "tiny")
    fast.save_pretrained(tmp_path / "tiny")
    return str(tmp_path / "tiny")


@pytest.fixture
def in_process(base, monkeypatch):
    """Run the fits in this process, to save starting ten others; return the names of the fits."""
    from datagen.evaluate.prove import fit

    ran = []

    def run(tasks, processes, threads, done, goes_on=lambda task: True):
        for task in tasks:
            if not task.result.exists():
                if not goes_on(task):
                    return
                ran.append(task.name)
                fit.main(task.arguments)
            done(task)

    monkeypatch.setattr(command, "run_all", run)
    monkeypatch.setattr(command, "has_cuda", lambda: False)
    monkeypatch.setattr(fit.parent_watch, "hold", lambda: None)
    monkeypatch.setenv("DATAGEN_THREADS", "1")
    return ran


def proved(run, base, lines=None, **choices):
    chosen = settings_of(choices.pop("arms", ""), target=base, **{"tokens": 1_500, "seeds": 2} | choices)
    return command.prove(run.folder, chosen, (lines if lines is not None else []).append)


def test_a_proof_of_the_answers_alone_asks_about_the_facts_of_the_pairs(write_run, base, in_process):
    run = write_run()
    result = proved(run, base, arms="pairs_alone", seeds=1)
    assert set(result["arms"]) == {"base", "pairs_alone", "shuffled"}
    assert {v["question"] for v in result["verdicts"]} == {"answers"}
    [place] = (run.folder / "proof").glob("*/plan.json")
    items = json.loads(place.read_text())["items"]
    assert items and all(item["seen"] for item in items)


def test_a_proof_from_plan_to_page(write_run, base, in_process):
    run = write_run()
    result = proved(run, base, general="")
    arms = result["arms"]
    assert set(arms) == {
        "base",
        "raw",
        "raw_exposures",
        "reading",
        "pairs",
        "format_control",
        "pairs_alone",
        "shuffled",
    }
    for arm in ("raw", "reading", "pairs", "format_control"):
        assert 1_500 <= arms[arm]["tokens"] < 1_500 + 520 and arms[arm]["fits"] == 2
    assert arms["raw_exposures"]["tokens"] < arms["reading"]["tokens"]
    assert arms["pairs_alone"]["tokens"] == pytest.approx(arms["shuffled"]["tokens"], abs=50)
    assert arms["pairs_alone"]["pairs_seen"] == 8 * result["plan"]["pairs"]
    assert arms["base"]["tokens"] == 0 and arms["pairs"]["pairs_seen"] > 0
    assert arms["raw"]["measures"]["held_out_loss"] < arms["base"]["measures"]["held_out_loss"]
    assert {"training", "reading", "pairs_seen", "answers"} <= {v["question"] for v in result["verdicts"]}
    place = run.folder / "proof"
    latest = json.loads((place / "latest.json").read_text())
    folder = place / latest["folder"]
    assert latest["sentences"] == result["sentences"] and len(latest["sentences"]) >= 4
    assert json.loads((folder / "proof.json").read_text())["plan"]["items"] == result["plan"]["items"]
    page = (folder / "proof.html").read_text()
    assert "<svg" in page and "&lt;svg" not in page
    text = (folder / "proof.md").read_text()
    assert all(sentence in text for sentence in result["sentences"])
    assert "| raw |" in text and "unfiltered was not run" in text

    ran = list(in_process)
    lines = []
    assert proved(run, base, lines, general="") == result  # resumes: nothing is fitted again
    assert in_process == ran and any("resuming" in line for line in lines)
    (folder / "fits" / "reading-1.json").unlink()
    assert proved(run, base, general="")["verdicts"] == result["verdicts"]  # and fits are the same again
    assert in_process == [*ran, "reading-1"]
    more = proved(run, base, general="", seeds=3)
    assert more["seeds"] == 3 and len(in_process) == len(ran) + 1 + 7


def test_no_fit_of_another_seed_starts_after_the_time_limit(write_run, base, in_process, monkeypatch):
    run = write_run()
    monkeypatch.setattr(command, "OVERRUN", 0.0)
    result = proved(run, base, arms="reading", tokens=None, minutes=0.01)
    assert result["seeds"] == 1 and "Run the same command to add the others" in result["note"]
    assert all(verdict["seeds"] == 1 for verdict in result["verdicts"])


def test_scores_are_the_log_probabilities_of_the_choices_alone(write_run, base, in_process):
    run = write_run()
    proved(run, base, arms="reading", seeds=1, tokens=300)
    folder = next((run.folder / "proof").glob("*/plan.json")).parent
    plan = Plan.load(folder)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    fitted = json.loads((folder / "fits" / "base.json").read_text())
    encoder = Encoder(tokenizer)
    for item in plan.items[::9]:
        for row, score, count in zip(encoder.choices(item), *fitted["items"][item.id], strict=True):
            ids = torch.tensor([[*row.prompt, *row.response]])
            with torch.no_grad():
                logits = model(ids).logits[0, len(row.prompt) - 1 : -1].float().log_softmax(-1)
            expected = logits[torch.arange(len(row.response)), torch.tensor(row.response)].sum().item()
            assert score == pytest.approx(expected, rel=0.02)
            assert count == len(row.response)
            shown = tokenizer.decode([*row.prompt, *row.response])
            assert item.family != "cloze" or shown.startswith(item.ask)
        assert 0 <= p_gold(fitted["items"][item.id][0]) <= 1


def test_the_command_prints_the_verdicts_and_fails_on_no_gain(write_run, base, in_process):
    run = write_run()
    arguments = [
        "prove",
        str(run.folder),
        "--target",
        base,
        "--tokens",
        "300",
        "--seeds",
        "1",
        "--arms",
        "reading",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0 and "Reading texts, compared with raw passages" in result.output
    assert "proof.html" in result.output
    gain = json.loads((run.folder / "proof" / "latest.json").read_text())["gain"]
    assert CliRunner().invoke(app, [*arguments, "--fail-on", "no-gain"]).exit_code == (0 if gain else 4)
    with pytest.raises(UserError, match="only condition is no-gain"):
        CliRunner().invoke(app, [*arguments, "--fail-on", "x"], catch_exceptions=False)


def test_a_run_without_a_hand_off_is_rejected(write_run, base, tmp_path):
    run = write_run()
    (run.folder / "handoff" / "manifest.json").unlink()
    with pytest.raises(UserError, match="finished run"):
        proved(run, base)
    with pytest.raises(UserError, match="cannot be read as text"):
        proved(write_run(), base, general=str(tmp_path))


def test_a_hand_off_altered_by_hand_is_not_taken_for_the_former(write_run, base, in_process):
    run, lines = write_run(), []
    options = {"arms": "reading", "seeds": 1, "tokens": 200}
    proved(run, base, **options)
    proved(run, base, lines, **options)
    assert in_process.count("raw-0") == 1 and not any("manifest.json" in line for line in lines)
    [path] = (run.folder / "handoff" / "reading" / "train").iterdir()
    table = pq.read_table(path, partitioning=None)
    write_table(table.slice(1), path)
    proved(run, base, lines, **options)
    assert in_process.count("raw-0") == 2
    assert any("1 files of" in line and "such as reading/train/train-0.parquet" in line for line in lines)


def test_a_different_hand_off_target_or_budget_starts_a_new_proof(write_run, base, in_process):
    run = write_run()
    proved(run, base, arms="reading", seeds=1, tokens=200)
    proved(run, base, arms="reading", seeds=1, tokens=300)
    assert len(list((run.folder / "proof").glob("*/plan.json"))) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"items": 1}', '{"items": [], "rows": []}'])
def test_a_damaged_plan_or_fit_is_an_error_with_the_remedy(tmp_path, content):
    for path, read in ((tmp_path / "plan.json", Plan.load), (tmp_path / "pairs-0.json", None)):
        path.write_text(content)
        with pytest.raises(UserError, match=rf"{path.name} is damaged.*Delete .* run the same command again"):
            read(tmp_path) if read else command._result(path, "arm", "seed")
