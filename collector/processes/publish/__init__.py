"""Publishes what a feed's journal on an edge holds, as slices, until the storage host has it durably."""
