"""Offers: their lines and sums, who lets them pass, and their versions."""
