"""jazz in PyTorch: an LSTM over a tune, factorised heads, a pointer memory.

Axis letters: B batch, T notes, N beats, P pitches, D durations, F features, U units.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

TICKS, LONGEST, LOWEST, HIGHEST = 12, 48, 36, 100
PITCHES = HIGHEST - LOWEST + 2
FARTHEST = 15
MATCH = 12


class Soloist(nn.Module):
    """Jazz: an LSTM over a tune in segments, factorised heads, a pointer to the notes before."""

    def __init__(self, table, arrays):
        super().__init__()
        self.table, units, width = table, table["units"], 96
        played, given = PITCHES + LONGEST + 1 + 2 * FARTHEST + 1 + 48, TICKS + 8 + 4 + 48
        self.read = nn.Linear(played + given, width)
        self.lstm = nn.LSTM(width, units, table["layers"])
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_hh"):  # one bias, as in Keras
                nn.init.zeros_(bias).requires_grad_(False)
        self.mix = nn.Linear(units + width, width)
        self.drop = nn.Dropout(table["dropout"])
        self.absolute, self.relative = nn.Linear(width, PITCHES), nn.Linear(width, 2 * FARTHEST + 2)
        self.over_bass, self.in_chord = nn.Linear(width, 12), nn.Linear(width, 3)
        self.inner, self.of_pitch = nn.Linear(width, width), nn.Embedding(PITCHES, width)
        self.of_chord, self.outer = nn.Linear(2, width, bias=False), nn.Linear(width, LONGEST)
        self.gate = nn.Linear(width, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.by_length = nn.Parameter(torch.full((2, MATCH), 0.5))
        self.by_sign, self.by_distance = nn.Parameter(torch.zeros(8)), nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.tensor(-8.0))
        pitch = torch.arange(PITCHES)
        steps = (pitch - pitch[:, None]).clamp(-FARTHEST, FARTHEST) + FARTHEST
        steps[0], steps[:, 0] = 2 * FARTHEST + 1, 2 * FARTHEST + 1
        self.intervals, self.classes, self.sounds = steps, (pitch + LOWEST - 1) % 12, pitch > 0

    def forward(self, batch):
        """The mean negative log-probability of a note."""
        chart = Chart(batch)
        ticks = (batch["duration"] * TICKS).round().long().clamp(0, LONGEST)
        onset = ticks.cumsum(1) - ticks + batch["start"][:, None]
        pitch = self.placed(batch["pitch"], chart.at(chart.shift, onset), ticks)
        slots = chart.slots(onset)
        last = before(pitch)
        inputs = self.read(self.features(slots, last, before(ticks), before(last)))
        hidden = torch.cat([self.walk(inputs), inputs], dim=-1)
        hidden = self.drop(F.relu(self.mix(hidden)))
        generated = pick(self.pitches(hidden, slots, last), pitch)
        generated = generated + pick(self.durations(hidden, slots, pitch), (ticks - 1).clamp(min=0))
        value = pitch * LONGEST + (ticks - 1).clamp(min=0)
        copied, none = self.pointer(slots, value, hidden)
        log_probs = torch.logaddexp(none + generated, copied)
        notes = ticks > 0
        return -(log_probs * notes).sum() / (batch["duration"] > 0).sum().clamp(min=1)

    def placed(self, pitch, shift, ticks):
        """Pitch indices (B, T) in C: 0 is a rest, notes out of range are moved by octaves."""
        moved = pitch + shift
        below = ((LOWEST - moved + 11) // 12).clamp(min=0)
        above = ((moved - HIGHEST + 11) // 12).clamp(min=0)
        index = moved + 12 * (below - above) - LOWEST + 1
        return torch.where((pitch > 0) & (ticks > 0), index, 0)

    def features(self, slots, last, ticks, earlier):
        """Inputs (B, T, F): the last note and the chords from it, place in the bar, chords."""
        interval = (last - earlier).clamp(-FARTHEST, FARTHEST) + FARTHEST
        chords = torch.stack(slots.chords, dim=2)
        by = -((last + LOWEST - 1) % 12)
        parts = [
            one_hot(last, PITCHES),
            one_hot(ticks, LONGEST + 1),
            one_hot(interval, 2 * FARTHEST + 1),
            rolled(chords, by[..., None].expand(chords.shape[:3])).flatten(2),
            one_hot(slots.position % TICKS, TICKS),
            one_hot(slots.position // TICKS, 8),
            one_hot(slots.bars % 4, 4),
            chords.flatten(2),
        ]
        return torch.cat(parts, dim=-1)

    def walk(self, inputs):
        """Outputs (B, T, U) of the LSTM, its gradient cut between segments."""
        state, outputs = None, []
        for segment in inputs.transpose(0, 1).split(self.table["tbptt_steps"]):
            hidden, state = self.lstm(self.drop(segment), state)
            state = tuple(part.detach() for part in state)
            outputs.append(hidden)
        return torch.cat(outputs).transpose(0, 1)

    def pitches(self, hidden, slots, last):
        """Log-probabilities (B, T, P) of pitches."""
        now, following, bass, _ = slots.chords
        logits = self.absolute(hidden)
        logits = logits + self.relative(hidden).gather(2, self.intervals[last])
        degree = self.by_pitch(rolled(self.over_bass(hidden), bass.argmax(-1)))
        now, following = self.by_pitch(now), self.by_pitch(following)
        one, two, both = self.in_chord(hidden).split(1, dim=-1)
        logits = logits + degree + one * now + two * following + both * now * following
        return logits.log_softmax(-1)

    def durations(self, hidden, slots, pitch):
        """Log-probabilities (B, T, D) of durations, given pitches (B, T)."""
        chords = [pick(self.by_pitch(chord), pitch) for chord in slots.chords[:2]]
        inner = self.inner(hidden) + self.of_pitch(pitch) + self.of_chord(torch.stack(chords, -1))
        return self.outer(F.relu(inner)).log_softmax(-1)

    def by_pitch(self, classes):
        """Pitch classes (B, T, 12) as a number for each pitch index (B, T, P)."""
        return classes[..., self.classes] * self.sounds

    def pointer(self, slots, value, hidden):
        """Log-probabilities (B, T) of copying the note, and of copying none."""
        size = value.shape[1]
        earlier = torch.ones(size, size, dtype=torch.bool).tril(-1)
        logits = (self.memory(slots, value) + self.gate(hidden)).masked_fill(~earlier, -1e9)
        log_probs = F.pad(logits, (1, 0)).log_softmax(-1)
        same = equal(value)
        return log_probs[..., 1:].masked_fill(~same, -1e9).logsumexp(-1), log_probs[..., 0]

    def memory(self, slots, value):
        """Logits (B, T, T) of copying each note, beside which that of not copying is zero."""
        bits = 2.0 ** torch.arange(12)
        now, following, bass, _ = (equal((chord @ bits).int()) for chord in slots.chords)
        position = equal(slots.position)
        agree = position & now
        bars = slots.bars.int()
        apart = bars[:, :, None] - bars[:, None]
        periods = [equal(bars % n) & (apart > 0) for n in (4, 8, 16)]
        signs = [position, now, following, bass, agree & following, *periods]
        length = matches(value)
        reached = F.pad(self.by_length.cumsum(1), (1, 0))
        reached = torch.cat([reached[0], reached.sum(0)])
        code = length + (MATCH + 1) * agree
        logits = reached.gather(0, code.flatten().long()).view(code.shape)
        distance = apart.clamp(min=0).float().log1p()
        logits = torch.addcmul(logits + self.bias, distance, self.by_distance)
        return logits + torch.stack(signs, dim=-1).float() @ self.by_sign


class Slots(NamedTuple):
    """Places (B, T) in the bar, and four chords (B, T, 12): now, next, bass, next bass."""

    position: torch.Tensor
    bars: torch.Tensor
    chords: tuple[torch.Tensor, ...]


class Chart:
    """The accompaniment in C, by beats."""

    def __init__(self, batch):
        tonic, (count, below) = batch["tonic"], batch["meter"].unbind(1)
        self.shift = torch.where(tonic <= 6, -tonic, 12 - tonic) + batch["moved"][:, None]
        unit = 4 * TICKS // below
        compound = (below == 8) & (count > 3) & (count % 3 == 0)
        self.beat, self.bar = (
            torch.where(compound, 3 * unit, unit)[:, None],
            (count * unit)[:, None],
        )
        self.pickup = (batch["pickup"] * TICKS).round().long()[:, None]
        self.chords = rolled(batch["chords"], self.shift)
        bass = torch.where(batch["bass"] < 0, -1, (batch["bass"] + self.shift) % 12)
        self.bass = one_hot(bass, 12)

    def at(self, values, onset):
        """Values (B, N, ...) of the beats at onsets (B, T)."""
        beat = (onset // self.beat).clamp(max=values.shape[1] - 1)
        return values[torch.arange(len(values))[:, None], beat]

    def slots(self, onset):
        """The context of the chart at onsets (B, T)."""
        since, after = onset - self.pickup, onset + self.beat
        chords = [self.at(v, o) for v in (self.chords, self.bass) for o in (onset, after)]
        return Slots(since % self.bar, since.div(self.bar, rounding_mode="floor"), tuple(chords))


def one_hot(index, size):
    """Float (..., size); zeros where the index is out of range."""
    return (index[..., None] == torch.arange(size)).float()


def rolled(classes, by):
    """Pitch classes (..., 12) moved up by `by` (...) semitones."""
    return classes.gather(-1, (torch.arange(12) - by[..., None]) % 12)


def before(values):
    """Values (B, T) one step later, the first 0."""
    return F.pad(values[:, :-1], (1, 0))


def pick(values, index):
    """Values (B, T) at indices (B, T) of (B, T, N)."""
    return values.gather(2, index[..., None])[..., 0]


def equal(values):
    """Which two of values (B, T) are equal, bool (B, T, T)."""
    return values[:, :, None] == values[:, None]


def matches(value):
    """How many notes before two slots are the same, uint8 (B, T, T), up to `MATCH`."""
    same = equal(F.pad(value[:, :-1], (1, 0), value=-1))
    same[:, 0, 0] = False
    run, length = same, same.to(torch.uint8)
    for _ in range(MATCH - 1):
        run = same & F.pad(run[:, :-1, :-1], (1, 0, 1, 0))
        length += run
    return length
