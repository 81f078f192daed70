"""What things cost: price lists, floors, personal bands, bundles, limits and configuration."""
