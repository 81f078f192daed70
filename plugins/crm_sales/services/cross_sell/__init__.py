"""What else a customer might buy: what those bought who bought the same."""
