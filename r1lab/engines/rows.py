"""Keys and values of the completions that are being written: one row each, in buffers that rows leave and enter."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.cache_utils import Cache

KEYS, VALUES = 0, 1
"""The kinds of what a layer keeps; of latent attention the latents are the first and the rotary keys the second."""
GROWTH, ROOM = 1.5, 128
"""A full buffer is replaced by one so many times and at least so many tokens longer: each is copied about twice."""


class RowCache(Cache):
    """The cache of transformers with a length for each row: rows begin at 0, what lies behind a row's end is masked.

    A forward over one id a row writes behind each row's own end; a forward over more writes behind the first
    ``start`` tokens, which all rows share. ``mask`` says what a row may see.
    """

    def __init__(self, max_rows: int, max_tokens: int):
        """Rows and tokens a row may come to; memory is taken as it is needed."""
        super().__init__(layers=[])
        self.max_rows, self.max_tokens = max_rows, max_tokens
        self.lengths = torch.zeros(0, dtype=torch.long)
        self.start = 0
        self._places: Tensor | None = None
        """[n] where the rows write next; None where all write the same span."""
        self._flat: dict[torch.Size, Tensor] = {}
        """[n * H] those places in a buffer [max_rows * H * capacity, D], by H and capacity: layers are mostly alike."""
        self.buffers: dict[tuple[int, int], Tensor] = {}
        """Of each layer and kind [max_rows, H, capacity, D]: H and D as the model has them."""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def lengths(self) -> Tensor:
        """[n] on the CPU: tokens of each running row."""
        return self._lengths

    @lengths.setter
    def lengths(self, lengths: Tensor) -> None:
        self._lengths = lengths
        self._longest = int(lengths.max()) if len(lengths) else 0  # every layer asks for it

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._longest

    def grow(self, num_rows: int) -> None:
        """``num_rows`` further rows that hold nothing."""
        self.lengths = torch.cat([self.lengths, torch.zeros(num_rows, dtype=torch.long)])

    def begin(self, num_rows: int, start: int, num_tokens: int) -> None:
        """``num_rows`` rows are about to read ``num_tokens`` each behind the ``start`` tokens that they hold."""
        self.start, self._places = start, None
        self.lengths = torch.full((num_rows,), start + num_tokens)

    def advance(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Every row is about to read one id: its position [n, 1] and mask [n, 1, 1, span], True = attend."""
        places = self.lengths.to(device)
        self._places, self._flat = places, {}
        self.lengths = self.lengths + 1
        span = torch.arange(self.get_seq_length(), device=device)
        return places[:, None], (span <= places[:, None])[:, None, None]

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_, **__) -> tuple[Tensor, Tensor]:
        """Writes what a layer read, returns all that its rows hold, [n, H, span, D] each."""
        self.write(keys, values, layer_idx)
        return self.held(layer_idx, KEYS), self.held(layer_idx, VALUES)

    def write(self, keys: Tensor, values: Tensor, layer_idx: int) -> None:
        """Writes what a layer read, [n, H, T, D] each."""
        span = self.get_seq_length()
        for kind, states in ((KEYS, keys), (VALUES, values)):
            buffer = self._room(layer_idx, kind, span, states)
            if self._places is None:
                buffer[: len(self), :, self.start : span] = states
            else:
                buffer.flatten(0, 2).index_copy_(0, self._flat_places(buffer), states.flatten(0, 2))

    def prepend(self, prompts: dict[tuple[int, int], Tensor], owner: Tensor, lengths: Tensor) -> None:
        """Puts a prompt before what each row holds: of each layer and kind [P, H, Lp, D]; owner, lengths [n].

        From then on there is memory for these rows alone.
        """
        longest, held = int(lengths.max()), self.lengths.tolist()
        self.max_rows, self.max_tokens = len(self), self.max_tokens + longest
        for key, read in prompts.items():
            old = self.buffers.get(key)  # None where no row has written anything yet
            capacity = longest + (0 if old is None else old.shape[2])
            buffer = read.new_zeros(self.max_rows, read.shape[1], capacity, read.shape[3])
            for row, (prompt, length) in enumerate(zip(owner.tolist(), lengths.tolist())):
                buffer[row, :, :length] = read[prompt, :, :length]
                if old is not None:
                    buffer[row, :, length : length + held[row]] = old[row, :, : held[row]]
            self.buffers[key] = buffer
        self.lengths = self.lengths + lengths

    def held(self, layer_idx: int, kind: int) -> Tensor:
        """All that the rows hold of a layer's keys or values, [n, H, span, D]."""
        return self.buffers[layer_idx, kind][: len(self), :, : self.get_seq_length()]

    def _flat_places(self, buffer: Tensor) -> Tensor:
        heads, capacity = shape = buffer.shape[1:3]
        if shape not in self._flat:
            first = torch.arange(len(self) * heads, device=buffer.device) * capacity
            self._flat[shape] = first + self._places.repeat_interleave(heads)
        return self._flat[shape]

    def admit(self, other: RowCache, owner: Tensor, lengths: Tensor) -> None:
        """New rows behind the last: copies of another cache's rows [m], by number, that hold ``lengths`` [m] tokens."""
        first, end, longest = len(self), len(self) + len(owner), int(lengths.max())
        for (layer_idx, kind), read in other.buffers.items():
            buffer = self._room(layer_idx, kind, longest, read)
            buffer[first:end, :, :longest] = read[owner, :, :longest]
        self.lengths = torch.cat([self.lengths, lengths.cpu()])

    def move(self, holes: Tensor, movers: Tensor, num_rows: int) -> None:
        """Rows [k] at the end take the places of rows that left; ``num_rows`` remain."""
        span = self.get_seq_length()
        for buffer in self.buffers.values():
            buffer[holes, :, :span] = buffer[movers, :, :span]
        self.lengths[holes.cpu()] = self.lengths[movers.cpu()]
        self.lengths = self.lengths[:num_rows]

    def _room(self, layer_idx: int, kind: int, tokens: int, states: Tensor) -> Tensor:
        """The buffer of a layer's keys or values, long enough for ``tokens``."""
        buffer = self.buffers.get((layer_idx, kind))
        capacity = 0 if buffer is None else buffer.shape[2]
        if tokens > capacity:
            capacity = min(self.max_tokens, max(tokens + ROOM, int(GROWTH * capacity)))
            # zeros, for what is masked still enters a product, where a stray NaN would spread
            grown = states.new_zeros(self.max_rows, states.shape[1], capacity, states.shape[3])
            if buffer is not None:
                grown[: len(self), :, : buffer.shape[2]] = buffer[: len(self)]
            self.buffers[layer_idx, kind] = buffer = grown
        return buffer
