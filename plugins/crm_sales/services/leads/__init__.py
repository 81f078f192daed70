"""Leads: taking them in, telling whom they are from, and what becomes of them."""
