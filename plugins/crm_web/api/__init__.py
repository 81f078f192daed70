"""The REST API: from what modules declare to answers, and the document that describes them."""
