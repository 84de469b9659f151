"""Tiles of a packed batch: who attends to whom is what the mask of the whole rows says."""

import torch

from r1lab.functional.packing import attention_mask, pack
from r1lab.functional.tiles import PADDED, tiles_of
from r1lab.types import TrainingSample


def batch_of(*rows):
    """Rows of bundles, each bundle (length of the prompt, lengths of its completions)."""

    def bundle(prompt, lengths):
        ids = torch.arange(prompt)
        return [TrainingSample(ids, torch.arange(n), torch.zeros(n), 1.0) for n in lengths]

    return pack([[bundle(*one) for one in row] for row in rows], pad_id=0)


def mask_of(tile):
    """The tile's mask, or what it stands for."""
    if tile.mask is not None:
        return tile.mask
    (num, width) = tile.keys.shape
    assert tile.queries.shape == (num, width)
    return torch.ones(width, width, dtype=torch.bool).tril().expand(num, 1, -1, -1)


def seen(tiles, num_places):
    """bool [R * T, R * T] as the tiles have it, with padding's queries as `found` gives them."""
    masks = []
    for tile in tiles.tiles:
        for keys, mask in zip(tile.keys, mask_of(tile)[:, 0]):
            for row in mask:
                masks.append(torch.zeros(num_places, dtype=torch.bool).index_fill(0, keys[row], True))
    return torch.stack(masks)[tiles.found]


def expected(batch):
    rows, width = batch.ids.shape
    whole = torch.zeros(rows, width, rows, width, dtype=torch.bool)
    for row, mask in enumerate(attention_mask(batch.branches, batch.segments)[:, 0]):
        whole[row, :, row] = mask
    return whole.view(rows * width, rows * width)


def test_every_id_attends_as_in_whole_rows():
    batch = batch_of([(3, [2, 7, 1]), (1, [4])], [(5, [1, 1, 12])], [(2, [3])])
    real = batch.branches.flatten() >= 0
    got = seen(tiles_of(batch.branches, batch.segments), batch.ids.numel())
    assert (~real).sum() > 0 and torch.equal(got[real], expected(batch)[real])


def test_long_sequences_stand_alone_without_a_mask(monkeypatch):
    batch = batch_of([(3, [2, 7, 6]), (1, [4])], [(5, [1, 1, 12])])
    monkeypatch.setattr("r1lab.functional.tiles.LARGEST_MASK", 100)
    tiles = tiles_of(batch.branches, batch.segments)
    # the prompts of 1, 3 and 5; then 4, 6 and 7 are alike, but 2 * 7 * 10 products too many; 12 see 5 more
    assert [tuple(tile.keys.shape) for tile in tiles.tiles if tile.mask is None] == [(1, 1), (1, 3), (1, 5), (1, 17)]
    assert [tuple(tile.queries.shape) for tile in tiles.tiles if tile.mask is not None][-3:] == [(1, 4), (1, 6), (1, 7)]
    real = batch.branches.flatten() >= 0
    assert torch.equal(seen(tiles, batch.ids.numel())[real], expected(batch)[real])


def test_a_tile_is_hardly_padded():
    batch = batch_of([(3, [2, 3, 4, 9])])
    tiles = tiles_of(batch.branches, batch.segments).tiles
    # the prompt; completions of 2 and 3 (3 <= 1.5 * 2); of 4; of 9
    assert PADDED == 1.5 and [tuple(tile.queries.shape) for tile in tiles] == [(1, 3), (2, 3), (1, 4), (1, 9)]


def test_padding_alone_attends_to_itself():
    batch = pack([[]], pad_id=0)
    assert seen(tiles_of(batch.branches, batch.segments), 1).tolist() == [[True]]


def test_keys_are_seen_once():
    batch = batch_of([(3, [2, 7, 1]), (1, [4])])
    for tile in tiles_of(batch.branches, batch.segments).tiles:
        for keys, mask in zip(tile.keys, mask_of(tile)[:, 0]):
            assert all(len(set(keys[row].tolist())) == row.sum() for row in mask)
