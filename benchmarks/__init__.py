"""The figures we promise, measured beside what people use otherwise; `python -m benchmarks` prints them."""
