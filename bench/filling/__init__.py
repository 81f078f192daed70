"""Databases for benches, filled past the product."""
