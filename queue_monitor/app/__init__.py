"""The composition: it finds adapters by name, makes rules from the settings, joins the parts, and runs the service."""
