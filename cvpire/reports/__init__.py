"""What became of a photo: the verdict and every figure, and what a file is protected from."""
