"""What every role that runs for long needs: supervised loops, and the upkeep of queues."""
