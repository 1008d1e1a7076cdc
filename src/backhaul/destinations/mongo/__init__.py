"""How MongoDB reads, compares and writes documents."""
