"""captioning in PyTorch: several networks side by side, each with weights of its own.

Axis letters: B batch, N cells, T words, U units.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Captioner(nn.Module):
    """Pictures: several networks side by side on the same colours and layout."""

    def __init__(self, table, arrays):
        super().__init__()
        self.table, self.palette, self.merged = table, arrays["palette"], arrays["merged"]
        self.networks = nn.ModuleList(Network(table, kind) for kind in table["members"])

    def forward(self, batch):
        """The sum over networks of cross-entropy with smoothed labels."""
        pixels, words = batch["view"], batch["words"]
        near = 2.0 * pixels @ self.palette.T - self.palette.square().sum(-1)
        colours = (near / (2 * 0.15**2)).softmax(-1).permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(torch.cat([pixels.permute(0, 3, 1, 2), colours], dim=1), 2)
        shares = F.avg_pool2d(colours, 8)
        coarse = F.avg_pool2d(shares, 2).flatten(2).mT
        parts = (coarse, shares.mean(3).mT, shares.mean(2).mT)
        layout = torch.cat([coarse.flatten(1), *map(self.likeness, parts)], dim=1)
        wanted = words[:, 1:].flatten()
        return sum(
            F.cross_entropy(
                net(pooled, shares, layout, words[:, :-1]).flatten(0, 1),
                wanted,
                ignore_index=0,
                label_smoothing=self.table["label_smoothing"],
            )
            for net in self.networks
        )

    def likeness(self, shares):
        """The cosines of the colours of each two of N cells, (B, N * (N - 1) / 2)."""
        merged = F.normalize(shares @ self.merged, dim=-1)
        one, other = torch.triu_indices(shares.shape[1], shares.shape[1], 1)
        return (merged @ merged.mT)[:, one, other]


class Network(nn.Module):
    """One captioner: convolutions, a GRU over words, additive attention; or blind."""

    def __init__(self, table, kind):
        super().__init__()
        units, self.blind = table["units"], kind == "blind"
        self.units, channels = units, units // 2
        if not self.blind:
            rows, columns = table["rows"], table["columns"]
            waves = places(rows, columns)
            coarse = rows // 2 * (columns // 2)
            layout = 12 * coarse + sum(n * (n - 1) // 2 for n in (coarse, rows, columns))
            self.places = waves
            self.first = nn.Conv2d(3 + 12, channels // 2, 3, 2, 1, bias=False)
            self.second = nn.Conv2d(channels // 2, channels, 3, 2, 1, bias=False)
            self.norms = nn.ModuleList([nn.LayerNorm(channels // 2), nn.LayerNorm(channels)])
            self.reduce = nn.Linear(channels + 12 + waves.shape[1], units)
            self.summarize = nn.Linear(2 * units + layout, units)
            self.query = nn.Linear(units, units // 4, bias=False)
            self.key = nn.Linear(units, units // 4)
            self.score = nn.Linear(units // 4, 1, bias=False)
        self.embed = nn.Embedding(table["vocabulary"], table["embedding_dim"])
        self.gru = nn.GRU(table["embedding_dim"] + units, units, batch_first=True)
        self.mix = nn.Linear(units if self.blind else 2 * units, units)
        self.out = nn.Linear(units, table["vocabulary"])
        self.drop = nn.Dropout(table["dropout"])

    def forward(self, pooled, shares, layout, previous):
        """Logits (B, T, words)."""
        embedded = self.embed(previous)
        summary = embedded.new_zeros(len(embedded), self.units)
        if not self.blind:
            cells, summary = self.encode(pooled, shares, layout)
        again = summary[:, None].expand(-1, previous.shape[1], -1)
        context, _ = self.gru(self.drop(torch.cat([embedded, again], dim=-1)))
        if not self.blind:
            scores = self.score(
                torch.tanh(self.query(context)[:, :, None] + self.key(cells)[:, None])
            )
            context = torch.cat([scores[..., 0].softmax(-1) @ cells, context], dim=-1)
        return self.out(self.drop(torch.tanh(self.mix(self.drop(context)))))

    def encode(self, pooled, shares, layout):
        """Cells (B, N, U) of the picture, and its summary (B, U)."""
        maps = pooled
        for convolution, norm in zip((self.first, self.second), self.norms, strict=True):
            maps = convolution(maps).permute(0, 2, 3, 1)
            maps = F.relu(norm(maps)).permute(0, 3, 1, 2)
        cells = torch.cat([maps, shares], dim=1).flatten(2).mT
        cells = torch.cat([cells, self.places.expand(len(cells), -1, -1)], dim=-1)
        cells = F.relu(self.reduce(cells))
        whole = torch.cat([cells.mean(1), cells.amax(1), layout], dim=1)
        return self.drop(cells), torch.tanh(self.summarize(self.drop(whole)))


def places(rows, columns):
    """Waves over the places of a grid, (rows * columns, 13)."""
    axes = torch.meshgrid(
        torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij"
    )
    angles = [torch.pi * k * axis / 2 for axis in axes for k in (1, 2, 4)]
    waves = [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)]
    return torch.stack([torch.ones(rows, columns), *waves], dim=-1).flatten(0, 1)
