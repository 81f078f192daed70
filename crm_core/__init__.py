"""Headless core of the CRM front office: customers, relationships, sync, plugins."""
