"""Shapes of what comes in, one file a topic."""
