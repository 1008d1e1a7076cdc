"""How CsvFiles reads and merges its files."""
