"""What will be won in a period, what was thought of it before, and what came."""
