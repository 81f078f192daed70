"""The first sync as a plan: what is the same on both sides, decided before anything is written."""
