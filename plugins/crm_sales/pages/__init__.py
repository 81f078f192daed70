"""Pages of the sales module, one file a part of it."""
