"""The JSON Schema of an action's params, as daemons publish it: what to send, and what cannot be right."""
