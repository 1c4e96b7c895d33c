"""Ratings: how good parking is at a facility, by drivers, data and complaints; explained line by line."""
