"""Stands in for Chaos Toolkit's library where it is not installed: its exception names, no more."""
