"""What goes wrong, staged one by one: what people look at first names the cause and the next step."""
