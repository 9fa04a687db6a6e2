"""Beam search over CTC's log-probabilities with language models and contextual biasing.

A prefix beam search (Graves & Jaitly 2014; Hannun et al. 2014) with language models of characters
and of words, and contextual biasing, written over whole batches: an exported graph cannot hold a
Python decoder, and TensorFlow's own beam search takes no language model.

Axis letters: B batch, S steps, V classes (the letters, then the blank), K beams, H biasing words'
beginnings.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from seqapps.apps.asr.decode.word_model import PRIME, WordModel
from seqapps.apps.asr.nn.labels import NEVER, NONE, Labels, of_ragged
from seqapps.kit.ngrams import Automaton

SURE_BLANK = math.log(0.999)
"""Log-probability of a blank above which a step says nothing but that no letter goes on."""


class Fusion(NamedTuple):
    """Shallow fusion: weights per row (B,) of what is added to the network's log-probabilities.

    `lm_weight` times the LM's log-probability and `bonus` for each letter; `word_weight` times the
    word model's for each word; `hot_weight` for each letter of a biasing word. `begun` int64 (B, H)
    and `whole` int64 (B, H) are hashes of the beginnings of biasing words, and of whole ones (0 =
    padding).
    """

    lm_weight: tf.Tensor
    word_weight: tf.Tensor
    bonus: tf.Tensor
    hot_weight: tf.Tensor
    begun: tf.Tensor
    whole: tf.Tensor


def beam(
    log_probabilities: tf.Tensor,
    steps: tf.Tensor,
    *,
    width: int,
    lm: Automaton,
    word_model: WordModel,
    space: int,
    fusion: Fusion,
    rescore: Callable[[Labels], tf.Tensor] | None = None,
) -> Labels:
    """The best text of a prefix beam search, over the steps that `without_sure_blanks` leaves.

    Args:
        log_probabilities: float32 (B, S, V).
        steps: int32 (B,).
        width: K.
        lm: its letters are the classes without the blank.
        word_model: knows words by the same letters.
        space: the class of the space.
        fusion: weights and biasing words.
        rescore: what to add to the last beams' scores, float32 (B K,), given their texts, B K rows.
    """
    search = _Search(lm, word_model, space, fusion)
    log_probabilities, steps = without_sure_blanks(log_probabilities, steps)
    batch, count = tf.unstack(tf.shape(log_probabilities)[:2])
    state = search.start(batch, width)
    history = tf.TensorArray(tf.int32, size=count, element_shape=[None, width, 2])

    def advance(step, state, history):
        step_log_probs = log_probabilities[:, step]
        new, moves = search.step(state, step_log_probs)
        alive = (step < steps)[:, None]
        new = tf.nest.map_structure(lambda n, o: tf.where(alive, n, o), new, state)
        still = tf.stack(
            [tf.tile(tf.range(width)[None], [batch, 1]), tf.fill([batch, width], NONE)], -1
        )
        moves = tf.where(alive[..., None], moves, still)
        return step + 1, new, history.write(step, moves)

    _, state, history = tf.while_loop(
        lambda step, *_: step < count,
        advance,
        (tf.constant(0), state, history),
        parallel_iterations=1,
    )
    letters, scores = _traced(history.stack()), search.final(state)
    if rescore is not None:
        rows = tf.reshape(letters, [batch * width, count])
        score_of_phones = rescore(of_ragged(tf.ragged.boolean_mask(rows, rows != NONE)))
        scores += tf.reshape(score_of_phones, [batch, width])
    best = tf.argmax(scores, axis=-1, output_type=tf.int32)
    letters = tf.gather(letters, best, axis=1, batch_dims=1)
    return of_ragged(tf.ragged.boolean_mask(letters, letters != NONE))


def without_sure_blanks(
    log_probabilities: tf.Tensor, steps: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Log-probabilities (B, S', V) and steps (B,), of a run of sure blanks the first alone.

    The others add the same to every beam, to a thousandth: after the first, no path ends in a
    letter. Most steps of a trained recogniser are such.
    """
    sure = log_probabilities[:, :, -1] > SURE_BLANK
    follows = tf.pad(sure[:, :-1], [[0, 0], [1, 0]])
    kept = tf.sequence_mask(steps, tf.shape(sure)[1]) & tf.logical_not(sure & follows)
    counts = tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)
    first = tf.argsort(tf.cast(tf.logical_not(kept), tf.int32), axis=1, stable=True)
    first = first[:, : tf.maximum(tf.reduce_max(counts), 1)]
    return tf.gather(log_probabilities, first, axis=1, batch_dims=1), counts


class _State(NamedTuple):
    """State of each beam, all (B, K).

    Log-probability of its paths that end in a blank, and in a letter; the last letter; the hash of
    the prefix; the LM's state; what language models and bonuses add; the hash of the word begun,
    the character LM's score of its letters, and the number of the word before; and the biasing
    reward of its letters, which is lost if the word turns out to be another one.
    """

    blank: tf.Tensor
    letter: tf.Tensor
    last: tf.Tensor
    hash: tf.Tensor
    lm: tf.Tensor
    extra: tf.Tensor
    word: tf.Tensor
    char_lm_score: tf.Tensor
    before: tf.Tensor
    pending: tf.Tensor


class _Search:
    """One step of a prefix beam search over a batch."""

    def __init__(self, lm: Automaton, word_model: WordModel, space: int, fusion: Fusion):
        self.word_model = word_model
        self.space, self.fusion = space, fusion
        self.letters = lm.log_probability.shape[1]
        self.lm_cost = tf.constant(lm.log_probability)
        self.lm_next = tf.constant(lm.following)
        self.is_space = tf.range(self.letters) == space

    def start(self, batch: tf.Tensor, width: int) -> _State:
        """The empty prefix in the first beam, nothing in the others."""
        shape = [batch, width]
        zeros, numbers = tf.zeros(shape), tf.zeros(shape, tf.int32)
        hashes = tf.zeros(shape, tf.int64)
        alive = tf.where(tf.range(width) == 0, 0.0, NEVER) + zeros
        # Beams that hold nothing yet must not be taken for the empty prefix.
        unlike = hashes - tf.range(width, dtype=tf.int64)
        return _State(
            blank=alive,
            letter=zeros + NEVER,
            last=numbers + NONE,
            hash=unlike,
            lm=numbers,
            extra=zeros,
            word=hashes,
            char_lm_score=zeros,
            before=numbers + self.word_model.beginning,
            pending=zeros,
        )

    def step(self, state: _State, step_log_probs: tf.Tensor) -> tuple[_State, tf.Tensor]:
        """The K best prefixes after one more step; moves int32 (B, K, 2): parent, letter or -1.

        Only what the choice needs is worked out for every letter; the rest, for the chosen.
        """
        width = state.last.shape[1]
        total = tf.reduce_logsumexp(tf.stack([state.blank, state.letter]), axis=0)
        spoken = step_log_probs[:, None, : self.letters]
        repeats = tf.range(self.letters) == state.last[:, :, None]
        grown = tf.where(repeats, state.blank[:, :, None], total[:, :, None]) + spoken
        repeated = tf.gather(step_log_probs, tf.maximum(state.last, 0), axis=1, batch_dims=1)
        letter = tf.where(state.last == NONE, NEVER, state.letter + repeated)
        letter, grown = self._merged(state, letter, grown)
        blank = total + step_log_probs[:, None, -1]
        stay = tf.reduce_logsumexp(tf.stack([blank, letter]), axis=0)
        state = state._replace(blank=blank, letter=letter)
        worth, ended = self._ended(state)
        extra = _both(state.extra, self._extra(state, worth))
        acoustic = _both(stay, grown)
        chosen = tf.math.top_k(acoustic + extra, width).indices
        grew = chosen >= width
        parent = tf.where(grew, (chosen - width) // self.letters, chosen)
        emitted = tf.where(grew, (chosen - width) % self.letters, NONE)
        old = _State(*(_taken(values, parent) for values in state))
        new = old._replace(
            blank=tf.where(grew, NEVER, old.blank),
            letter=_taken(_both(letter, grown), chosen),
            extra=_taken(extra, chosen),
            **self._after_letter(old, emitted, ended=_taken(ended, parent)),
        )
        return new, tf.stack([parent, emitted], axis=-1)

    def _after_letter(
        self, old: _State, emitted: tf.Tensor, *, ended: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The state of the letters after `emitted` int32 (B, K), -1 for none.

        `ended` int32 (B, K) is the number of the word that a space would end.
        """
        kept, is_space = emitted == NONE, emitted == self.space
        index = tf.stack([old.lm, tf.maximum(emitted, 0)], axis=-1)
        char_lm_score = old.char_lm_score + tf.gather_nd(self.lm_cost, index)
        number = tf.cast(emitted, tf.int64) + 1
        begun = tf.where(is_space, tf.zeros_like(old.word), old.word * PRIME + number)
        hot = _among(begun, self.fusion.begun)
        pending = tf.where(hot, old.pending + self.fusion.hot_weight[:, None], 0.0)
        return {
            "last": tf.where(kept, old.last, emitted),
            "hash": tf.where(kept, old.hash, old.hash * PRIME + number),
            "lm": tf.where(kept, old.lm, tf.gather_nd(self.lm_next, index)),
            "word": tf.where(kept, old.word, begun),
            "char_lm_score": tf.where(
                kept, old.char_lm_score, tf.where(is_space, 0.0, char_lm_score)
            ),
            "before": tf.where(is_space, ended, old.before),
            "pending": tf.where(kept, old.pending, pending),
        }

    def final(self, state: _State) -> tf.Tensor:
        """Scores (B, K) of the beams, a space being read after the last word."""
        total = tf.reduce_logsumexp(tf.stack([state.blank, state.letter]), axis=0)
        closing = tf.gather(self.lm_cost[:, self.space], state.lm)
        closing *= self.fusion.lm_weight[:, None]
        return total + state.extra + closing + self._ended(state)[0] - self._lost(state)

    def _merged(self, state, letter, grown):
        """A beam's prefix may also be reached by growing another beam: then they are one."""
        last = tf.maximum(state.last, 0)
        reached = state.hash[:, :, None] * PRIME + tf.cast(last[:, None] + 1, tf.int64)
        same = (reached == state.hash[:, None]) & (state.last != NONE)[:, None]  # (B, K, K)
        other = tf.argmax(same, axis=1, output_type=tf.int32)
        gained = tf.gather_nd(grown, tf.stack([other, last], axis=-1), batch_dims=1)
        gained = tf.where(tf.reduce_any(same, axis=1), gained, NEVER)
        letter = tf.reduce_logsumexp(tf.stack([letter, gained]), axis=0)
        taken = tf.matmul(tf.cast(same, tf.float32), tf.one_hot(last, self.letters))
        return letter, tf.where(taken > 0, NEVER, grown)

    def _extra(self, state: _State, worth: tf.Tensor) -> tf.Tensor:
        """The sum of language models and bonuses after each letter, (B, K, V - 1).

        `worth` (B, K) is what the end of the word adds.
        """
        fusion = self.fusion
        weight = fusion.lm_weight[:, None] + tf.where(
            self.is_space, 0.0, fusion.word_weight[:, None]
        )
        word = state.word[:, :, None] * PRIME + tf.range(1, self.letters + 1, dtype=tf.int64)
        hot = _among(word, fusion.begun) & ~self.is_space
        lost = tf.where(self.is_space, self._lost(state)[:, :, None], state.pending[:, :, None])
        change = tf.where(hot, fusion.hot_weight[:, None, None], -lost)
        change += tf.where(self.is_space, worth[:, :, None], 0.0)
        added = weight[:, None] * tf.gather(self.lm_cost, state.lm) + fusion.bonus[:, None, None]
        return state.extra[:, :, None] + added + change

    def _ended(self, state: _State) -> tuple[tf.Tensor, tf.Tensor]:
        """The log-probability of a word's end, and its number; nothing where none has begun.

        Until then its letters stand for it, so that a beam does not gain by never ending a word.
        """
        log_prob, number = self.word_model.read(
            state.before, state.word, char_lm_score=state.char_lm_score
        )
        begun = state.word != 0
        worth = tf.where(
            begun, (log_prob - state.char_lm_score) * self.fusion.word_weight[:, None], 0.0
        )
        return worth, tf.where(begun, number, state.before)

    def _lost(self, state: _State) -> tf.Tensor:
        """The loss of a beam whose word ends here: nothing if it is a biasing word."""
        return tf.where(_among(state.word, self.fusion.whole), 0.0, state.pending)


def _among(hashes: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Bool (B, ...): hashes that are among the row's `wanted` (B, H); 0 never is."""
    row = tf.reshape(wanted, [tf.shape(wanted)[0], *[1] * (len(hashes.shape) - 1), -1])
    matches = (hashes[..., None] == row) & (row != 0)  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    return tf.reduce_any(matches, axis=-1)


def _taken(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Values (B, ...) at `places` int32 (B, K), as (B, K)."""
    return tf.gather(values, places, axis=1, batch_dims=1)


def _both(stay: tf.Tensor, grown: tf.Tensor) -> tf.Tensor:
    """(B, K) beside (B, K, letters), as (B, K + K letters)."""
    return tf.concat([stay, tf.reshape(grown, [tf.shape(stay)[0], -1])], axis=1)


def _traced(moves: tf.Tensor) -> tf.Tensor:
    """Letters int32 (B, K, S), -1 where a step added none, from moves int32 (S, B, K, 2)."""

    def back(beam, move):
        now = tf.gather(move, beam[0], axis=1, batch_dims=1)  # (B, K, 2)
        return now[..., 0], now[..., 1]

    _, batch, width, _ = tf.unstack(tf.shape(moves))
    last = tf.tile(tf.range(width)[None], [batch, 1])
    _, letters = tf.scan(back, moves, (last, tf.zeros_like(last)), reverse=True)
    return tf.transpose(letters, [1, 2, 0])
