"""From distributions to text: greedy, beam search, language models, alignment."""
