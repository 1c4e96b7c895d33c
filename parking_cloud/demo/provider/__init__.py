"""A payment provider for one machine: what the demo and the tests pay with, where no real keys are given.

It answers as Stripe's documentation says Stripe does, in the part that the platform uses: see
docs/local-provider.md. A process of its own, on 127.0.0.1 only; it imports nothing of the platform, and no
money moves.
"""
