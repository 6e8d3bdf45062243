"""What commands know of the jobs as a whole: which ones are meant, and orders to many of them."""
