"""Dropbox on this machine."""
