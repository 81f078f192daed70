"""What the sales module does, one file or package a topic."""
