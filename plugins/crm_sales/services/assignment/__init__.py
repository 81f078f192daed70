"""Who gets a lead: rules, people and their absences, and the decision with its reasons."""
