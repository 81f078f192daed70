"""Scores of deals, learnt from those that are closed; each says what it is made of."""
