"""The cards, one module per step or command."""
