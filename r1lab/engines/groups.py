"""Keys and values where the rows of a group have their prompt once, and each row what it wrote itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from r1lab.engines.rows import KEYS, VALUES, RowCache


class GroupCache:
    """N rows that hang on P prompts: what attention takes of both parts, without a copy of either.

    What a row attends to are Lp places of its prompt, the longest one's length, then what the rows wrote.
    """

    def __init__(self, max_rows: int, max_new_tokens: int, dtype: torch.dtype):
        self.dtype = dtype
        """What attention computes in; a prompt's forward under autocast leaves float32."""
        self.written = RowCache(max_rows, max_new_tokens)
        self.owner = torch.zeros(0, dtype=torch.long)
        """[N] on the CPU: the prompt of each row."""
        self.prompt_lengths = torch.zeros(0, dtype=torch.long)
        """[P] on the CPU."""
        self._prompts: dict[tuple[int, int], Tensor] = {}
        """Of each layer and kind [P, H, Lp, D]."""
        self._absorbed = False
        """Whether each row has its prompt before what it wrote, and no prompt is shared any more."""

    def __len__(self) -> int:
        return len(self.written)

    def admit(self, other: RowCache, owner: Tensor, lengths: Tensor) -> None:
        """New rows [m] behind the last: each has one of another cache's rows, by number, as its prompt.

        ``lengths`` [m] are the tokens of each row's prompt. Not after `absorb`.
        """
        assert not self._absorbed
        self._keep(self.owner.unique())
        owner, held = owner.cpu(), len(self.prompt_lengths)
        more = torch.zeros(len(other), dtype=torch.long).index_copy_(0, owner, lengths)
        longest = int(torch.cat([self.prompt_lengths, more]).max())
        for key, read in other.buffers.items():
            prompts = read.new_zeros(held + len(other), read.shape[1], longest, read.shape[3], dtype=self.dtype)
            if held:
                prompts[:held, :, : self._prompts[key].shape[2]] = self._prompts[key]
            prompts[held:, :, : read.shape[2]] = read[: len(other), :, :longest]
            self._prompts[key] = prompts
        self.prompt_lengths = torch.cat([self.prompt_lengths, more])
        self.owner = torch.cat([self.owner, owner + held])
        self.written.grow(len(owner))
        self._arrange()

    def advance(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Every row is about to read one id: its position [N, 1] and mask [N, 1, 1, Lp + span], True = attend."""
        lengths = self.prompt_lengths[self.owner].to(device)
        places, mask = self.written.advance(device)
        prompt = torch.arange(int(self.prompt_lengths.max()), device=device) < lengths[:, None]
        return lengths[:, None] + places, torch.cat([prompt[:, None, None], mask], dim=-1)

    def update(self, keys: Tensor, values: Tensor, layer: int) -> None:
        """Writes what a layer read of every row's new id, [N, H, D] each."""
        self.written.write(keys[:, :, None], values[:, :, None], layer)

    def attended(self, queries: Tensor, mask: Tensor, scale: float, layer: int) -> Tensor:
        """What queries [N, H, R, D] draw from the values of their rows, by their keys and a mask: [N, H, R, D]."""
        if self._absorbed:
            held = (self.written.held(layer, kind) for kind in (KEYS, VALUES))
            return scaled_dot_product_attention(queries, *held, attn_mask=mask, scale=scale)
        shares = self.scores(queries * scale, layer).add_(mask).softmax(dim=-1)
        return self.mixed(shares, layer)

    def scores(self, queries: Tensor, layer: int, kind: int = KEYS) -> Tensor:
        """Products of queries [N, H, R, D] with all that their rows hold of a kind: [N, H, R, Lp + span]."""
        if self._absorbed:
            return queries @ self.written.held(layer, kind).transpose(2, 3)
        asked = self._by_prompt(queries) @ self._prompts[layer, kind].transpose(2, 3)
        return torch.cat([self._by_row(asked), queries @ self.written.held(layer, kind).transpose(2, 3)], dim=-1)

    def mixed(self, shares: Tensor, layer: int, kind: int = VALUES) -> Tensor:
        """What rows hold of a kind in these shares [N, H, R, Lp + span], summed: [N, H, R, D]."""
        if self._absorbed:
            return shares @ self.written.held(layer, kind)
        prompts = self._prompts[layer, kind]
        of_prompt, of_written = shares.tensor_split([prompts.shape[2]], dim=-1)
        mixed = of_written @ self.written.held(layer, kind)
        return mixed.add_(self._by_row(self._by_prompt(of_prompt) @ prompts))

    def move(self, holes: Tensor, movers: Tensor, num_rows: int) -> None:
        """Rows [k] at the end take the places of rows that left; ``num_rows`` remain."""
        self.written.move(holes, movers, num_rows)
        self.owner[holes.cpu()] = self.owner[movers.cpu()]
        self.owner = self.owner[:num_rows]
        alive = self.owner.unique()
        if 2 * len(alive) <= len(self.prompt_lengths):
            self._keep(alive)
        self._arrange()

    def absorb(self) -> None:
        """Gives each row a copy of its prompt: for few rows, to which no others come, one product costs least."""
        if self._absorbed or not len(self):
            return
        self.written.prepend(self._prompts, self.owner, self.prompt_lengths[self.owner])
        self.prompt_lengths = torch.zeros_like(self.prompt_lengths)
        self._prompts = {key: prompts[:, :, :0] for key, prompts in self._prompts.items()}
        self._absorbed = True

    def _keep(self, prompts: Tensor) -> None:
        """Forgets all prompts but these, which ascend."""
        self.prompt_lengths = self.prompt_lengths[prompts]
        longest = int(self.prompt_lengths.max()) if len(prompts) else 0
        for key, buffer in self._prompts.items():
            self._prompts[key] = buffer[:, :, :longest].index_select(0, prompts.to(buffer.device))
        self.owner = torch.searchsorted(prompts, self.owner)

    def _arrange(self) -> None:
        """Gives each row a place among those of its prompt."""
        sizes = self.owner.bincount(minlength=len(self.prompt_lengths))
        order = self.owner.argsort(stable=True)
        inside = torch.empty_like(order)
        inside[order] = torch.arange(len(order)) - (sizes.cumsum(0) - sizes)[self.owner[order]]
        rows = torch.zeros(len(sizes), int(sizes.max()) if len(order) else 0, dtype=torch.long)
        rows[self.owner, inside] = torch.arange(len(order))
        self._in_order = torch.equal(rows.flatten(), torch.arange(len(order)))
        """Whether all prompts have as many rows, which lie group by group: nothing is looked up then."""
        device = next(iter(self._prompts.values())).device
        self._places = self.owner.to(device), inside.to(device)
        """Of each row [N] its prompt, and its place among that prompt's rows."""
        self._rows = rows.to(device)
        """[P, S] the row at each place; row 0 where there is none."""

    def _by_prompt(self, states: Tensor) -> Tensor:
        """[N, H, R, *] -> [P, H, S * R, *]."""
        chosen = states if self._in_order else states.index_select(0, self._rows.flatten())
        grid = chosen.unflatten(0, self._rows.shape)
        return grid.transpose(1, 2).flatten(2, 3)

    def _by_row(self, states: Tensor) -> Tensor:
        """[P, H, S * R, *] -> [N, H, R, *]."""
        grid = states.unflatten(2, (self._rows.shape[1], -1))
        if self._in_order:
            return grid.transpose(1, 2).flatten(0, 1)
        owner, inside = self._places
        return grid[owner, :, inside]
