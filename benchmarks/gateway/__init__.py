"""What the gateway costs: compiling, asking in one process, and asking over the wire."""
