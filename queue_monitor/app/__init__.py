"""The composition: adapters by name, rules from the settings, the parts put together, the service run."""
