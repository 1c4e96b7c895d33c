"""Stays (停车记录): one vehicle's visit, from entry to exit, with what proves it."""
