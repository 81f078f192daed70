"""Resources of the REST API, one file a part of the module."""
