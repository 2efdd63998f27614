"""Desired against actual: a plan is data, made by pure functions and consumed alike by every view and by apply."""
