"""Reading the warehouse: SQL queries, exports, archived fetches."""
