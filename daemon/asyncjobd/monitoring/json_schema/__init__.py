"""The JSON Schema of an action's params, as daemons publish it: fields, an example, and checks of params."""
