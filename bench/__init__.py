"""What is measured: `make bench` (the README's claims, as ratios within one run) and `make faults`."""
