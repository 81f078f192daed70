"""Sales: leads, deals, offers and what comes of them."""
