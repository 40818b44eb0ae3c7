"""How well something was learned, from plain arrays: choices, numbers, generated rows, and the spread over seeds. Torch-free."""
