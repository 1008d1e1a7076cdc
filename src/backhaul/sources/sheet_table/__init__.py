"""How GoogleSheetTable reads a worksheet, and what it makes of the cells."""
