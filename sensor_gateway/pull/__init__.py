"""Pulling: car-park sources that only publish are polled, and what is new becomes statements.

A source is declared, not programmed: `mapping` says where it is and what its fields mean (`example.toml`
shows all three formats), `read` turns an answer into statements and row problems without any I/O, `fetch`
asks politely (conditionally, bounded in time and size), `poller` keeps asking, and `health` says how each
source is.

    poller = Poller(load_sources(path), take)
    await poller.run()  # until cancelled; `poller.health()` at any time

`take(source_name, statements)` stores them. When it raises, the same statements come again with the next
poll. Nothing is kept over a restart: everything is then sent once more, which has no second effect
downstream, since a statement's id is made of what it says.
"""

from sensor_gateway.pull.mapping import MappingError, Source, load_sources
from sensor_gateway.pull.poller import Poller, Take

__all__ = ["MappingError", "Poller", "Source", "Take", "load_sources"]
