"""What developers and CI run beside the product; standard library only where nothing is installed yet."""
