"""Loyalty: a plugin for the CRM front office."""
