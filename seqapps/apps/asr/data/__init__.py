"""Recordings and their texts: corpora, sound files, the normaliser, phones."""
