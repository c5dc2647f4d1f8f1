"""Two runs beside each other: what differs, by how much, and whether it is noise."""
