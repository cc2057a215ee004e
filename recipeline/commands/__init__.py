"""The commands of the library, one module each; the steps of the chain are the project's own."""
