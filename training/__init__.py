"""Corpus, base encoder, training, evaluation and export of the classifier (needs the `train` extra)."""
