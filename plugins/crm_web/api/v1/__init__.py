"""The resources of the core."""
