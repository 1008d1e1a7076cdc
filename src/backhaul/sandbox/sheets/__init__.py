"""Google Sheets v4 on this machine: books, calls, quotas, faults, and what people do meanwhile."""
