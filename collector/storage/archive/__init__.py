"""The archive's files as readers need them: schema, manifests, verification, restore."""
