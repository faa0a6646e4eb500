"""The archive as its readers see it: schema, manifests, checks, restore."""
