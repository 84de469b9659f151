"""A checkpoint is read as data: a pickle that would call anything is refused, and a real one comes back exactly."""

import os
import pickle
import shutil
import types
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex

from r1lab.errors import StorageError
from r1lab.training.checkpoint import Checkpoints, trainer_state
from r1lab.training.state_reader import read_metadata


class Calls:
    """Pickles itself as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def module_of(seed, steps):
    """What a checkpoint saves of a training module: a model and its optimizer after some steps."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(
        [{"params": [model[0].weight], "weight_decay": 0.1}, {"params": [*model.parameters()][1:], "lr": 3e-4}],
        lr=1e-3, betas=(0.9, 0.95),
    )  # fmt: skip
    for _ in range(steps):
        model(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    trainer = types.SimpleNamespace(optimizers=[optimizer])
    return types.SimpleNamespace(models={"policy": model}, trained={"policy": (model, None)}, trainer=trainer)


def flat(tree, place=""):
    if isinstance(tree, dict):
        return {k: v for name, value in tree.items() for k, v in flat(value, f"{place}/{name}").items()}
    if isinstance(tree, (list, tuple)):
        return flat(dict(enumerate(tree)), place)
    return {place: (tree.dtype, tree.tolist()) if isinstance(tree, torch.Tensor) else tree}


@pytest.fixture
def saved(tmp_path):
    """(folder of the step, module that it was saved from)."""
    module = module_of(0, 3)
    with pytest.warns(UserWarning):
        dcp.save(trainer_state(module), checkpoint_id=tmp_path / "step-000003" / "trainer", no_dist=True)
    return tmp_path / "step-000003", module


def load(step, module):
    Checkpoints(step.parent, 2).load(step, module)


def test_a_real_checkpoint_comes_back_exactly(saved):
    step, module = saved
    other = module_of(1, 1)
    assert flat(trainer_state(other)) != flat(trainer_state(module))
    load(step, other)
    assert flat(trainer_state(other)) == flat(trainer_state(module))
    groups = other.trainer.optimizers[0].param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.01] and groups[1]["betas"] == (0.9, 0.95)


def changed(metadata, **fields):
    return Metadata(**{**vars(metadata), **fields})


def with_file(metadata, name):
    """Metadata of which one tensor lies in another file."""
    for stored in metadata.storage_data.values():
        stored.relative_path = name
    return metadata


HOSTILE = {
    "a call": lambda m, mark: Calls(os.system, f"touch {mark}"),
    "python code": lambda m, mark: Calls(eval, f"open({str(mark)!r}, 'w')"),
    "a file": lambda m, mark: Calls(open, str(mark), "w"),
    "a method of an allowed class": lambda m, mark: Calls(Path.touch, mark),
    "an attribute of an allowed class": lambda m, mark: Calls(getattr, torch.Size, "__class__"),
    "torch's own loader": lambda m, mark: Calls(torch.hub.load_state_dict_from_url, str(mark)),
    "in planner_data": lambda m, mark: changed(m, planner_data={"x": Calls(os.system, f"touch {mark}")}),
    "in storage_data": lambda m, mark: changed(m, storage_data={MetadataIndex("x"): Calls(os.mkdir, str(mark))}),
    "in a key": lambda m, mark: changed(m, state_dict_metadata={Calls(os.mkdir, str(mark)): None}),
    "in a list": lambda m, mark: [m, Calls(os.mkdir, str(mark))],
    "no metadata": lambda m, mark: {"state_dict_metadata": {}},
    "a number": lambda m, mark: 3,
    "a file above": lambda m, mark: with_file(m, f"../../{mark.name}"),
    "a file elsewhere": lambda m, mark: with_file(m, "/etc/hostname"),
    "a file without a name": lambda m, mark: with_file(m, 3),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("what", HOSTILE)
def test_metadata_that_is_more_than_a_description_is_refused(what, protocol, saved, tmp_path):
    step, module = saved
    mark, path = tmp_path / "mark", step / "trainer" / ".metadata"
    path.write_bytes(pickle.dumps(HOSTILE[what](read_metadata(step / "trainer"), mark), protocol))
    with pytest.raises(StorageError, match="The checkpoint is refused: resuming from it could run code"):
        load(step, module)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04", b"no pickle at all", b"cos\nsystem\n(S'exit'\ntR.", b"\x80\x05N."]
)
def test_bytes_that_are_no_metadata_are_refused(content, saved):
    step, module = saved
    (step / "trainer" / ".metadata").write_bytes(content)
    with pytest.raises(StorageError, match="The checkpoint is refused"):
        load(step, module)


@pytest.mark.parametrize("place", ["lr", "betas", "params"])
def test_a_value_that_would_call_something_is_refused(place, saved, tmp_path):
    step, module = saved
    mark, state = tmp_path / "mark", trainer_state(module)
    state["optimizer"]["param_groups"][0][place] = Calls(os.system, f"touch {mark}")
    shutil.rmtree(step)
    with pytest.warns(UserWarning):
        dcp.save(state, checkpoint_id=step / "trainer", no_dist=True)
    before = flat(trainer_state(module))
    with pytest.raises(StorageError, match="is no plain value"):
        load(step, module)
    assert not mark.exists() and flat(trainer_state(module)) == before


def test_metadata_that_is_gone_is_told(saved):
    step, module = saved
    (step / "trainer" / ".metadata").unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        load(step, module)
