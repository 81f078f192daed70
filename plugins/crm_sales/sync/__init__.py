"""Reading and writing what is kept in step with a back office; see ``crm_sales.synced``."""
