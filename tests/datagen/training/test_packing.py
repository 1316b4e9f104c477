"""Rows packed into one sequence have the same loss as separate rows."""

import pytest

from datagen.training.tokens import Tokens

pytestmark = pytest.mark.slow  # the import of PyTorch and transformers alone


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def packing(torch):
    from datagen.training import packing

    return packing


@pytest.fixture(scope="module")
def model(torch, packing):
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


def alone(torch, model, row):
    model.set_attn_implementation("eager")
    ids = torch.tensor([[*row.prompt, *row.response]])
    labels = torch.tensor([[-100] * len(row.prompt) + row.response])
    with torch.no_grad():
        loss = model(ids, labels=labels).loss.item()
    model.set_attn_implementation("shared_prefix")
    return loss


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[1:], [ROWS[0], ROWS[0]]])
def test_packed_rows_have_the_same_loss_as_separate_rows(torch, packing, model, rows):
    with torch.no_grad():
        together = packing.row_losses(model, packing.pack(rows)).tolist()
    assert together == pytest.approx([alone(torch, model, row) for row in rows], abs=1e-5)


def test_long_sequences_have_the_same_gradients_with_the_fused_attention(torch, packing, model, monkeypatch):
    def gradients():
        model.zero_grad()
        packing.row_losses(model, packing.pack(ROWS)).sum().backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    plain = gradients()
    monkeypatch.setattr(packing, "KEPT_SCORES", 0)
    assert torch.allclose(plain, gradients(), atol=1e-5)


def test_a_packed_sequence_holds_the_prefix_once(packing):
    assert packing.pack(ROWS)["input_ids"].shape[1] == 4 + (3 + 3) + (1 + 2) + (4 + 1)
