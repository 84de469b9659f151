"""What the ranks of a run share: every collective of ours stands here, and one process alone passes through them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from torch import Tensor, nn


def count() -> int:
    """How many ranks there are."""
    group = _group()
    return group.get_world_size() if group else 1


def is_first() -> bool:
    """Whether this is rank 0, which writes and speaks for all."""
    group = _group()
    return group is None or group.get_rank() == 0


def barrier() -> None:
    """Waits for all ranks."""
    if group := _group():
        group.barrier()


def leave() -> None:
    """Ends what connects the ranks, where there is such: the next run of a sweep makes its own."""
    if "torch" in sys.modules:
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def gathered(items: list[Any]) -> list[Any]:
    """The items of all ranks, rank after rank."""
    group = _group()
    if group is None:
        return items
    parts: list[Any] = [None] * count()
    group.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def from_first(value: Any) -> Any:
    """The value of rank 0, on every rank."""
    group = _group()
    if group is None:
        return value
    box = [value]
    group.broadcast_object_list(box, src=0)
    return box[0]


def summed(values: Sequence[Any]) -> list[Any]:
    """Nested lists of numbers, added up over all ranks place by place.

    >>> summed([[3, 4.5]])  # one rank
    [[3, 4.5]]
    """
    return _reduced(values, "SUM")


def highest(values: Sequence[Any]) -> list[Any]:
    """Nested lists of numbers, the highest of all ranks place by place."""
    return _reduced(values, "MAX")


def summed_by_name(values: Mapping[str, float]) -> dict[str, float]:
    """Numbers by name, added up over all ranks; RuntimeError where the ranks hold different names."""
    return _by_name(values, "SUM")


def highest_by_name(values: Mapping[str, float]) -> dict[str, float]:
    """Numbers by name, the highest of all ranks; RuntimeError where the ranks hold different names."""
    return _by_name(values, "MAX")


def sum_gradients(parameters: Iterable[nn.Parameter], bucket_bytes: int = 2**26) -> None:
    """Sums plain gradients over all ranks in place, in buckets of at most `bucket_bytes` where they fit.

    A parameter without a gradient takes part with zeros: another rank may have one for it.
    """
    if _group() is None:
        return
    import torch

    bucket: list[Tensor] = []
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradient = parameter.grad
        if bucket and (bucket[0].dtype != gradient.dtype or _bytes([*bucket, gradient]) > bucket_bytes):
            _sum_flat(bucket)
            bucket = []
        bucket.append(gradient)
    if bucket:
        _sum_flat(bucket)


def _group() -> Any:
    """torch.distributed where there are several ranks, None where there is one."""
    from torch import distributed

    started = distributed.is_available() and distributed.is_initialized()
    return distributed if started and distributed.get_world_size() > 1 else None


def _device(group: Any) -> str:
    """Where a collective's tensors must lie."""
    return "cuda" if group.get_backend() == "nccl" else "cpu"


def _reduced(values: Sequence[Any], operation: str) -> list[Any]:
    group = _group()
    if group is None:
        return list(values)
    import numpy
    import torch

    # by way of numpy: integers stay integers, and floats are of 64 bits
    tensor = torch.from_numpy(numpy.asarray(values)).to(_device(group))
    group.all_reduce(tensor, getattr(group.ReduceOp, operation))
    return tensor.tolist()


def _by_name(values: Mapping[str, float], operation: str) -> dict[str, float]:
    names = sorted(values)
    if count() > 1:
        mark = crc32("\n".join(names).encode())
        # all ranks hold the same mark when the highest is also the lowest; rows of other lengths would hang
        if highest([mark, -mark]) != [mark, -mark]:
            raise RuntimeError(f"The ranks hold numbers of different names; this one: {', '.join(names)}.")
    return dict(zip(names, _reduced([float(values[name]) for name in names], operation)))


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _sum_flat(gradients: Sequence[Tensor]) -> None:
    """One collective for many gradients."""
    import torch

    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    _group().all_reduce(flat)
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(total.view_as(gradient))
