"""Where chunks of log are read: ``local`` spreads them over the processes of this machine, ``spark`` over those of a cluster."""
