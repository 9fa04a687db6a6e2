"""PyTorch's side of `pytorch.py`: reads cases as lines of JSON, writes milliseconds of a step."""

import json
import sys
import time

import numpy as np
import torch
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


def main():
    """Answers one line of JSON with another, until the input ends."""
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_num_interop_threads(1)
    steps = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = tuple(request["case"])
        if case not in steps:
            steps[case] = layer(*case)
            for _ in range(3):
                steps[case]()
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < request["seconds"]:
            steps[case]()
            count += 1
        spent = time.perf_counter() - started
        print(json.dumps(1000 * spent / max(count, 1)), flush=True)


if __name__ == "__main__":
    main()
