"""Notices to people: written once, sent by SMS, mail or in the app, each with its trace."""
