"""A back office that is not ours: Django admin with django-import-export, for tests and benchmarks."""
