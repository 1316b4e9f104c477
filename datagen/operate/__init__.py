"""Operate a recipe over time: check, plan, compare releases, roll back, clean up, monitor."""
