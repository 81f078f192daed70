"""What can go wrong in sales that a caller may want to tell apart."""
