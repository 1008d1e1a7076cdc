"""The words and statements of the databases behind Warehouse."""
