"""What may happen to a photo that is posted: by real codecs and filters, and with gradients."""
