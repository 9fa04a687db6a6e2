"""The applications' networks in PyTorch, for `pytorch.py`: same layers, sizes, losses and dropout.

A network takes a batch, a dict of tensors as the application's `feed` makes them, and returns its
loss. `table` holds the profile's `[train]` and the sizes that `tensorflow_side.py` adds, `arrays`
its constants. Metrics are left out, which is to PyTorch's advantage. `torch.compile` is used where
it makes a step faster.
"""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from pytorch_networks.asr import Recogniser
from pytorch_networks.captioning import Captioner
from pytorch_networks.dna import Binding
from pytorch_networks.finance import Forecaster
from pytorch_networks.jazz import Soloist

NETWORKS = {
    "asr": Recogniser,
    "captioning": Captioner,
    "dna": Binding,
    "finance": Forecaster,
    "jazz": Soloist,
}


class Training(NamedTuple):
    """A step of training, which returns the loss; how many batches it cycles over; weights."""

    step: Callable[[], float]
    batches: int
    weights: int


def training(name: str, path: Path) -> Training:
    """The training of an application's network on the batches of an .npz file."""
    torch.manual_seed(0)
    table, arrays, batches = read(path)
    net = NETWORKS[name](table, arrays).to(memory_format=torch.channels_last)
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    adam = torch.optim.AdamW(
        weights, table["learning_rate"], eps=1e-7, weight_decay=table["weight_decay"], fused=True
    )
    turns = itertools.cycle(batches)

    def step() -> float:
        loss = net(next(turns))
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, table["clip_norm"])
        adam.step()
        return loss.item()

    return Training(step, len(batches), sum(weight.numel() for weight in weights))


def read(path: Path) -> tuple[dict, dict[str, torch.Tensor], list[dict[str, torch.Tensor]]]:
    """The table, the constants and the batches that `tensorflow_side.py` has written."""
    with np.load(path) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file if key != "table"}
        table = json.loads(str(file["table"]))
    batches: list[dict[str, torch.Tensor]] = [{} for _ in range(table["batches"])]
    for key in [key for key in arrays if key[0].isdigit()]:
        number, _, part = key.partition("/")
        values = arrays.pop(key)
        batches[int(number)][part] = values if values.is_floating_point() else values.long()
    return table, arrays, batches
