"""What people change while a run goes on: by keys in the terminal, or by REST."""
