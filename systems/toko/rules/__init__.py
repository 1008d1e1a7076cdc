"""The rules of the catalogue, apart from the pipeline: Polars is loaded only where there is a backup to read."""
