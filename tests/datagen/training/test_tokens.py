"""The order in which training sees rows."""

from datagen.training.tokens import Tokens, bundles, epochs


def test_an_epoch_sees_each_row_once_in_bundles_of_one_group():
    rows = [Tokens(f"g{n % 5}", "t", [n % 5, n], [n]) for n in range(23)]
    for order in (bundles(rows, 3, "0"), bundles(rows, 3, "1")):
        assert sorted(row.response[0] for bundle in order for row in bundle) == list(range(23))
        assert all(len(bundle) <= 3 and len({row.group for row in bundle}) == 1 for bundle in order)
    assert bundles(rows, 3, "0") != bundles(rows, 3, "1")
    assert len(list(epochs(rows, 2, 3, 0))) == 2 * len(bundles(rows, 3, "0"))
