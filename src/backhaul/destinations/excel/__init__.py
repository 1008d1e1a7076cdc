"""How ExcelWorkbook reads and changes a workbook."""
