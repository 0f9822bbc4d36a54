"""One frozen base, roles as adapters on it, and answers drawn from them."""
