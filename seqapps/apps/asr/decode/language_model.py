"""Words of general English or Spanish for the character model, by their frequency."""

from collections import defaultdict

from wordfreq import iter_wordlist, word_frequency

from seqapps.apps.asr.data import normaliser

GENERAL_WORDS = 20_000


def general_words(language: str, weight: float) -> dict[str, float]:
    """The most frequent words of a language with counts that sum to `weight` x 10,000."""
    if not weight:
        return {}
    weights: defaultdict[str, float] = defaultdict(float)
    for word in _most_frequent(language):
        words = normaliser.normalise(word, language)
        if words and " " not in words and not normaliser.foreign(words, language):
            weights[words] += word_frequency(word, language)
    scale = weight * 10_000 / sum(weights.values())
    return {word: share * scale for word, share in weights.items()}


def _most_frequent(language: str) -> list[str]:
    return [word for word, _ in zip(iter_wordlist(language), range(GENERAL_WORDS), strict=False)]
