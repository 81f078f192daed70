"""What can have happened in sales."""
