"""Render's REST API on this machine."""
