"""The least visible change by CIEDE2000 and SSIM: the search behind the -min runs."""
