"""Guidance boards by the road: what each shows, how it gets it, and whether it still asks."""
