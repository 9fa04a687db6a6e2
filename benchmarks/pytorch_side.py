"""PyTorch's side of `pytorch.py`: steps of training of a layer or of an application's network."""

import sys
from pathlib import Path

import numpy as np
import pytorch_networks
import torch
from side import Case, answer
from torch import nn


def layer(cell, units, directions, steps, rows, masked):
    """A step of one recurrent layer on random numbers, as a function."""
    torch.manual_seed(0)
    kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
    net = kind(units, units, batch_first=True, bidirectional=directions == 2)
    rng = np.random.default_rng(0)
    inputs = torch.tensor(rng.normal(size=(rows, steps, units)).astype(np.float32))
    inputs.requires_grad_()
    lengths = torch.tensor(np.sort(rng.integers(steps // 2, steps + 1, rows))[::-1].copy())
    lengths[0] = steps

    def step():
        given = inputs
        if masked:
            given = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True)
        hidden, _ = net(given)
        if masked:
            hidden, _ = nn.utils.rnn.pad_packed_sequence(hidden, batch_first=True)
        net.zero_grad(set_to_none=True)
        inputs.grad = None
        hidden.square().mean().backward()

    return step


def case(request):
    """The case of a request: the name of an application, or the six facts of a layer."""
    first, *rest = request["case"]
    if rest:
        return Case(layer(first, *rest))
    training = pytorch_networks.training(first, Path(request["folder"]) / f"{first}.npz")
    facts = {"weights": training.weights, "loss": training.step()}
    return Case(training.step, training.batches, facts)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_num_interop_threads(1)
    answer(case)
