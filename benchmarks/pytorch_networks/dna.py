"""dna in PyTorch: convolution, recurrence and short words over both strands."""

import torch
import torch.nn.functional as F
from torch import nn


class Binding(nn.Module):
    """Transcription factors: convolution, recurrence and short words over both strands."""

    def __init__(self, table, arrays):
        super().__init__()
        self.table, filters, units = table, table["filters"], table["units"]
        self.conv = nn.Conv1d(4, filters, table["kernel_bp"], padding="same")
        self.gru = nn.GRU(filters, units, table["layers"], bidirectional=True)
        self.words = nn.Conv1d(4, table["word_filters"], table["word_bp"], padding="same")
        self.drop = nn.Dropout(table["dropout"])
        width = 2 * 2 * units + filters + table["word_filters"]
        self.head = nn.Linear(width, table["factors"])

    def forward(self, batch):
        """Cross-entropy in which each factor's own rows weigh alike."""
        bases = batch["bases"]
        turned = torch.where(bases == 4, 4, 3 - bases).flip(1)
        embedded = F.one_hot(torch.cat([bases, turned]), 5)[..., :4].mT.float()
        motifs = F.max_pool1d(self.conv(embedded), self.table["pool_bp"], ceil_mode=True)
        motifs = F.relu(motifs)  # after the maximum it is as good, and has less to do
        hidden, _ = self.gru(self.drop(motifs.permute(2, 0, 1)))
        words = 4.0 * F.relu(self.words(embedded)).mean(2)
        code = torch.cat([hidden.amax(0), hidden.mean(0), motifs.amax(2), words], dim=1)
        logits = self.head(self.drop(code)).view(2, len(bases), -1).mean(0)
        known = (batch["labels"] >= 0).float()
        losses = known * F.binary_cross_entropy_with_logits(
            logits, batch["labels"].clamp(min=0), reduction="none"
        )
        own = F.one_hot(batch["factor"], logits.shape[1]).float()
        of_own = (own * losses).sum(0) / (own * known).sum(0).clamp(min=1)
        of_others = ((1 - own) * losses).sum(0) / len(bases)
        return (of_own / logits.shape[1] + of_others).mean()
