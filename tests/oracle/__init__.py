"""What the answers should be, by other means: nothing here imports `goe_lake`."""
