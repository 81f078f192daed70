"""Signing in and what belongs to it, without a word of any web framework."""
