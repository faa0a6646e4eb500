"""Archives sealed segments as Parquet in the store, and removes each once the store has confirmed every object."""
