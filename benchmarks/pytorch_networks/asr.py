"""asr in PyTorch: log-mel, two convolutions, SRU layers, CTC over letters and phones.

Axis letters: B batch, T frames or steps, F mels, C channels, U units.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Recogniser(nn.Module):
    """Speech: log-mel, two convolutions, bidirectional SRU layers, CTC over letters and phones."""

    FLOOR, SMALLEST_POWER, SMALLEST_DEVIATION, QUIET = 1e-6, 1e-20, 1e-2, 10 ** (-50 / 20)

    def __init__(self, table, arrays):
        super().__init__()
        self.table, self.mel = table, arrays["mel"]
        self.frame, self.hop = table["rate_hz"] * 25 // 1000, table["rate_hz"] * 10 // 1000
        self.window = torch.hann_window(self.frame)
        filters, units, depth = table["conv_filters"], table["units"], table["layers"]
        self.first = nn.Conv2d(1, filters, 3, (1, 2), 1)
        self.second = nn.Conv2d(filters, filters, (5, 3), (table["subsampling"], 2), (2, 1))
        width = (table["n_mels"] + 3) // 4 * filters
        self.normalise = nn.LayerNorm(width)
        widths = [width, *[2 * units] * (depth - 1)]
        self.layers = nn.ModuleList(SRU(inputs, units) for inputs in widths)
        self.classify = nn.Linear(2 * units, table["phones"])
        self.condition = nn.Linear(table["phones"], 2 * units)
        self.head = nn.Linear(2 * units, table["letters"])
        self.drop = nn.Dropout(table["dropout"])

    def forward(self, batch):
        """The loss per label."""
        counts = 1 + (batch["count"] - self.frame).clamp(min=0) // self.hop
        frames = self.normalised(batch["samples"], counts)
        frames = self.masked(frames, counts)
        hidden = F.relu(self.first(frames[:, None]))
        hidden = hidden * within(counts, hidden.shape[2])[:, None, :, None]
        hidden = F.relu(self.second(hidden))
        steps = (counts + self.table["subsampling"] - 1) // self.table["subsampling"]
        hidden = self.normalise(hidden.permute(2, 0, 3, 1).flatten(2))  # (T, B, C) from here on
        inside = within(steps, len(hidden)).T[..., None].float()
        hidden = hidden * inside
        lower = len(self.layers) - len(self.layers) // 2
        for layer in self.layers[:lower]:
            hidden = layer(self.drop(hidden), inside)
        phones = F.log_softmax(self.classify(hidden), dim=-1)
        hidden = hidden + self.condition(phones.exp())
        for layer in self.layers[lower:]:
            hidden = layer(self.drop(hidden), inside)
        letters = F.log_softmax(self.head(self.drop(hidden)), dim=-1)
        share = self.table["phones_weight"]
        of_letters = ctc(letters, steps, batch["labels"], batch["label_count"])
        return (1 - share) * of_letters + share * ctc(
            phones, steps, batch["phones"], batch["phone_count"]
        )

    def normalised(self, samples, counts):
        """Log-mel frames (B, T, F), each band with mean 0 and deviation 1 where a row sounds."""
        width = 1 << (self.frame - 1).bit_length()
        before = (width - self.frame) // 2
        padded = F.pad(samples, (before, width - self.frame - before))
        spectrum = torch.stft(
            padded, width, self.hop, self.frame, self.window, center=False, return_complex=True
        )
        energy = (self.mel @ torch.view_as_real(spectrum).square().sum(-1)).mT
        floor = self.FLOOR * energy.amax((1, 2), keepdim=True) + self.SMALLEST_POWER
        frames = energy.maximum(floor).log()
        inside = within(counts, frames.shape[1])
        sounding = self.sounding(samples) & inside
        sounding = torch.where(sounding.any(1, keepdim=True), sounding, inside)
        share = (sounding / sounding.sum(1, keepdim=True))[:, None]
        centred = frames - share @ frames
        deviation = (share @ centred.square()).sqrt().clamp(min=self.SMALLEST_DEVIATION)
        return centred / deviation * inside[..., None]

    def sounding(self, samples):
        """Frames without a sample of silence, bool (B, T)."""
        size, frame = samples.abs(), self.frame
        loud = size > self.QUIET * size.amax(1, keepdim=True)
        before = F.pad(F.pad(loud, (frame, frame)).cumsum(1, dtype=torch.int32), (1, 0))
        silences = before[:, frame:] == before[:, :-frame]
        before = F.pad(silences.cumsum(1, dtype=torch.int32), (1, 0))
        return before[:, 2 * frame :: self.hop] == before[:, 1 : 1 - 2 * frame : self.hop]

    def masked(self, frames, counts):
        """Frames with stripes of time and of mels set to zero."""
        longest = (counts // 5).clamp(max=self.table["time_mask_ms"] // 10)
        for _ in range(self.table["time_masks"]):
            frames = frames * self.kept(frames.shape[1], counts, longest)[..., None]
        bands, widest = counts.new_tensor([frames.shape[2]]), self.table["mel_mask_width"]
        for _ in range(self.table["mel_masks"]):
            kept = self.kept(frames.shape[2], bands.expand(len(counts)), bands * 0 + widest)
            frames = frames * kept[:, None]
        return frames

    def kept(self, size, ends, longest):
        """False in one stripe of each row, bool (B, size)."""
        draw = torch.rand(2, len(ends))
        width = (draw[0] * (longest + 1)).floor()
        start = (draw[1] * ((ends - width).clamp(min=0) + 1)).floor()[:, None]
        position = torch.arange(size)
        return (position < start) | (position >= start + width[:, None])


class SRU(nn.Module):
    """A bidirectional layer of simple recurrent units over (T, B, C)."""

    def __init__(self, inputs, units):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.parts = 3 if inputs == 2 * units else 4
        self.dense = nn.Linear(inputs, self.parts * 2 * units)

    def forward(self, steps, inside):
        """Hidden (T, B, 2 U); `inside` (T, B, 1) is 0 at padding."""
        new, forget, show, *other = self.dense(self.norm(steps)).chunk(self.parts, dim=-1)
        state = Recurrence.apply(*gated(new, forget, inside))
        return shown(show, state, other[0] if other else steps)


@torch.compile(dynamic=True)
def gated(new, forget, inside):
    """What a unit keeps of its state, and what is added."""
    kept = torch.sigmoid(forget + 1.0)
    return kept, (1 - kept) * new * inside


@torch.compile(dynamic=True)
def shown(show, state, steps):
    """The hidden value, between the state and the input."""
    return torch.lerp(steps, state, torch.sigmoid(show))


class Recurrence(torch.autograd.Function):
    """h_t = kept_t * h_(t-1) + added_t of (T, B, 2 U); the second half of the units walks back.

    One fused op a step, and no graph of them: the gradient is the same walk the other way.
    """

    @staticmethod
    def forward(ctx, kept, added):
        """The states h."""
        hidden = torch.empty_like(added)
        for back, (k, a, h) in enumerate(halves(kept, added, hidden)):
            walk(k, a, h, back=bool(back))
        ctx.save_for_backward(kept, hidden)
        return hidden

    @staticmethod
    def backward(ctx, above):
        """The gradients of `kept` and `added`."""
        kept, hidden = ctx.saved_tensors
        of_kept, each = torch.zeros_like(kept), torch.empty_like(kept)
        (k, g, h, d, o), (k_back, g_back, h_back, d_back, o_back) = halves(
            kept, above, hidden, each, of_kept
        )
        d[-1] = g[-1]
        walk(k[1:], g[:-1], d[:-1], back=True, first=d[-1])
        torch.mul(d[1:], h[:-1], out=o[1:])
        d_back[0] = g_back[0]
        walk(k_back[:-1], g_back[1:], d_back[1:], back=False, first=d_back[0])
        torch.mul(d_back[:-1], h_back[1:], out=o_back[:-1])
        return of_kept, each


def halves(*values):
    """The first halves of the last axes of tensors, and the second halves."""
    return zip(*(value.chunk(2, dim=-1) for value in values), strict=True)


def walk(kept, added, hidden, *, back, first=None):
    """Writes h_t = kept_t * h_(t-1) + added_t into `hidden`, all (T, B, U); `back` from the end."""
    steps = list(zip(kept.unbind(), added.unbind(), hidden.unbind(), strict=True))
    state = torch.zeros_like(added[:1])[0] if first is None else first
    for k, a, h in reversed(steps) if back else steps:
        torch.addcmul(a, k, state, out=h)
        state = h


def within(counts, size):
    """True before each row's end, bool (B, size)."""
    return torch.arange(size) < counts[:, None]


def ctc(log_probs, steps, labels, counts):
    """CTC's loss per label of log-probabilities (T, B, C), the blank last; without misfits."""
    losses = F.ctc_loss(
        log_probs,
        labels,
        steps,
        counts,
        blank=log_probs.shape[-1] - 1,
        reduction="none",
        zero_infinity=True,
    )
    return losses.sum() / counts[losses > 0].sum().clamp(min=1)
