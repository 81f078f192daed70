"""A believable trading company, made from a seed: what ``crm demo`` fills its back office with."""
