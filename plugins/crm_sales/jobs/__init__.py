"""What runs unattended, one file a part of the module."""
