"""A back office with exports on this machine."""
