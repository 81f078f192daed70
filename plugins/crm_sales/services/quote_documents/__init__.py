"""The document of an offer: what it says, in the customer's language, as a PDF."""
