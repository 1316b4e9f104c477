"""Rows packed into one sequence have the same loss as separate rows."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("trl")

from datagen.training.packing import Tokens, bundles, epochs, pack, row_losses  # noqa: E402


@pytest.fixture(scope="module")
def model():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, attn_implementation="shared_prefix",
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


ROWS = [
    Tokens("g", "one", [1, 2, 3, 4, 5, 6, 7], [8, 9, 10]),
    Tokens("g", "two", [1, 2, 3, 4, 11], [12, 13]),
    Tokens("g", "two", [1, 2, 3, 4, 5, 14, 15, 16], [17]),
]


def alone(model, row):
    model.set_attn_implementation("eager")
    ids = torch.tensor([[*row.prompt, *row.response]])
    labels = torch.tensor([[-100] * len(row.prompt) + row.response])
    with torch.no_grad():
        loss = model(ids, labels=labels).loss.item()
    model.set_attn_implementation("shared_prefix")
    return loss


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[1:], [ROWS[0], ROWS[0]]])
def test_packed_rows_have_the_same_loss_as_separate_rows(model, rows):
    with torch.no_grad():
        together = row_losses(model, pack(rows)).tolist()
    assert together == pytest.approx([alone(model, row) for row in rows], abs=1e-5)


def test_a_packed_sequence_holds_the_prefix_once():
    assert pack(ROWS)["input_ids"].shape[1] == 4 + (3 + 3) + (1 + 2) + (4 + 1)


def test_an_epoch_sees_each_row_once_in_bundles_of_one_group():
    rows = [Tokens(f"g{n % 5}", "t", [n % 5, n], [n]) for n in range(23)]
    for order in (bundles(rows, 3, "0"), bundles(rows, 3, "1")):
        assert sorted(row.response[0] for bundle in order for row in bundle) == list(range(23))
        assert all(len(bundle) <= 3 and len({row.group for row in bundle}) == 1 for bundle in order)
    assert bundles(rows, 3, "0") != bundles(rows, 3, "1")
    assert len(list(epochs(rows, 2, 3, 0))) == 2 * len(bundles(rows, 3, "0"))
