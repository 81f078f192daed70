"""Handing a leaver's work over: what it is, who gets it, the act, its undoing, and the packs."""
