"""Render's REST API, as `backhaul deploy` uses it."""
